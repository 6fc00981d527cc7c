//! What went one way over one connection.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by one at a time, who is the session's task for what comes and the outbox's writer for what goes: so a store
/// does what would otherwise need the processor's lock.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    pub(super) fn add(&self, messages: usize, bytes: usize) {
        for (counter, more) in [(&self.messages, messages), (&self.bytes, bytes)] {
            counter.store(counter.load(Ordering::Relaxed) + more as u64, Ordering::Relaxed);
        }
    }

    /// Messages, and the bytes of their payloads.
    pub(super) fn so_far(&self) -> (u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}
