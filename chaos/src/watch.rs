//! When a server was ready, and when not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::{At, now};
use crate::servers::is_ready;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was seen at one server, as often as it changed. Dropped, it looks no more.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Mutex<Vec<(At, bool)>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins to look.
    pub fn start(server: SocketAddr) -> Self {
        let seen = Arc::<Mutex<Vec<(At, bool)>>>::default();
        let own = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                // No answer is no news: who is paused says nothing.
                if let Some(ready) = is_ready(server).await {
                    let mut seen = own.lock().unwrap();
                    if seen.last().is_none_or(|(_, before)| *before != ready) {
                        seen.push((now(), ready));
                    }
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { seen, task }
    }

    /// Whether it was ready at all times between two moments, or at none, or both.
    pub fn first(&self, ready: bool, from: At) -> Option<At> {
        let seen = self.seen.lock().unwrap();
        let before = seen.iter().rev().find(|(at, _)| *at <= from);
        if before.is_some_and(|(_, state)| *state == ready) {
            return Some(from);
        }
        seen.iter().find(|(at, state)| *at > from && *state == ready).map(|(at, _)| *at)
    }

    /// Since when it has been ready without a break, if it is now.
    pub fn ready_since(&self) -> Option<At> {
        self.seen.lock().unwrap().last().filter(|(_, ready)| *ready).map(|(at, _)| *at)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
