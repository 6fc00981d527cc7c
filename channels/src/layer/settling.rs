//! The answers to what was asked with a message: who waits for them, and how a server gives its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::command::Command;
use super::manager::ConnectionManager;
use crate::backend::{Asked, Sink, Topic};
use crate::connection::Outcome;
use crate::id::ConnectionId;

/// Who waits for answers, by the number that they bear.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    next: AtomicU64,
    waiting: DashMap<u64, mpsc::UnboundedSender<Outcome>>,
}

impl Settling {
    /// A server has answered; late ones are nobody's.
    pub(super) fn answered(&self, number: u64, outcome: Outcome) {
        if let Some(waiting) = self.waiting.get(&number) {
            let _ = waiting.send(outcome);
        }
    }

    /// How many are waited for.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// The answers to one message; as many as there are servers, at most.
#[derive(Debug)]
pub(super) struct Answers {
    settling: Arc<Settling>,
    asked: Asked,
    from: mpsc::UnboundedReceiver<Outcome>,
}

impl Answers {
    pub(super) fn begin(manager: &ConnectionManager) -> Self {
        let settling = Arc::clone(&manager.settling);
        let asked = Asked { server: manager.incarnation(), number: settling.next.fetch_add(1, Ordering::Relaxed) };
        let (to, from) = mpsc::unbounded_channel();
        settling.waiting.insert(asked.number, to);
        Self { settling, asked, from }
    }

    /// What a message bears whose outcome is asked for.
    pub(super) fn asked(&self) -> Asked {
        self.asked
    }

    /// What one more server says became of it there.
    pub(super) async fn next(&mut self) -> Option<Outcome> {
        self.from.recv().await
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.settling.waiting.remove(&self.asked.number);
    }
}

/// Tells the server that asked what became of its message here.
pub(super) fn answer(manager: &ConnectionManager, asked: Asked, outcome: Outcome) {
    if asked.server == manager.incarnation() {
        manager.settling.answered(asked.number, outcome);
        return;
    }
    let Outcome { queued, conflated, dropped } = outcome;
    let command = Command::Settled { number: asked.number, queued, conflated, dropped };
    let (Ok(envelope), Ok(runtime), Some(manager)) =
        (command.envelope(), Handle::try_current(), manager.itself.upgrade())
    else {
        return;
    };
    // Whoever delivers does not wait. No connection has the number 0, so that only the server hears it.
    runtime.spawn(async move {
        let to = Topic::Connection(ConnectionId::new(asked.server, 0));
        if let Err(error) = manager.publish(to, envelope).await {
            tracing::debug!(%error, "cannot answer what became of a message");
        }
    });
}
