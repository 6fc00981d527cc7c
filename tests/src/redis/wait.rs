//! Waiting for an event, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use crate::socket::PATIENCE;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

/// Blocks until `look` finds something; `what` names it if that takes too long.
///
/// # Panics
///
/// After [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(found) => return found,
            None if Instant::now() > deadline => panic!("{what}: not within {PATIENCE:?}"),
            None => thread::sleep(LOOK),
        }
    }
}

/// As [`until`], while other tasks of the thread run.
///
/// # Panics
///
/// After [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Some(found) => return found,
            None if Instant::now() > deadline => panic!("{what}: not within {PATIENCE:?}"),
            None => tokio::time::sleep(LOOK).await,
        }
    }
}
