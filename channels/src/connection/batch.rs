//! What a writer has taken from an outbox.

use super::lane::Progress;
use super::queue::Queue;
use super::wire::{Tally, Wire};

/// What a writer has in hand.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) wire: Option<Wire>,
    pub(crate) queue: Queue,
    pub(super) broken: bool,
}

impl Batch {
    /// Waits until the socket takes something; whether it ever will. Cancel safe.
    pub(crate) async fn writable(&self) -> bool {
        match &self.wire {
            Some(wire) => wire.writable().await.is_ok(),
            None => false,
        }
    }

    /// What is still in it, when it is given up.
    pub(crate) fn unwritten(&self) -> usize {
        self.queue.messages()
    }

    /// Its next chunk is written: for a transport that took it.
    pub(crate) fn next_written(&mut self, tally: &mut Tally) {
        if let Some(chunk) = self.queue.pop_front() {
            tally.add(&chunk);
        }
    }

    pub(super) fn write(&mut self, tally: &mut Tally) -> Progress {
        let Some(wire) = &self.wire else { return Progress::Done };
        wire.write(&mut self.queue, tally).unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot write");
            self.broken = true;
            tally.dropped += self.queue.messages();
            tally.broken = true;
            Progress::Done
        })
    }
}
