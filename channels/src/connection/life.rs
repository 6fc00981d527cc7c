//! Signs of life, which the heartbeat's sweep looks at.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Connection;

impl Connection {
    /// Whatever was read is life.
    pub(crate) fn heard(&self, at: Instant) {
        self.0.last_inbound.store(self.0.link.millis(at), Ordering::Relaxed);
    }

    /// How long ago that was, in the link's milliseconds.
    pub(super) fn since(&self, millis: u64) -> Duration {
        self.0.link.since.elapsed().saturating_sub(Duration::from_millis(millis))
    }

    /// Part of a message has been read, or none is half-way.
    pub(crate) fn set_unfinished(&self, since: Option<Instant>) {
        self.0.unfinished_since.store(since.map_or(0, |at| self.0.link.millis(at) + 1), Ordering::Relaxed);
    }

    /// How long a message has been half-way.
    pub(crate) fn unfinished_for(&self) -> Option<Duration> {
        let since = self.0.unfinished_since.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.since(since))
    }

    /// Counts a message; called by the session's task only.
    pub(crate) fn received(&self, bytes: usize) {
        self.0.received.add(1, bytes);
        self.0.link.counters.received(bytes);
    }

    /// The client has taken too long to send its first data frame, of the time that this process was awake.
    pub(crate) fn is_mute(&self, awake: Duration) -> bool {
        let link = &self.0.link;
        link.first_frame.is_some_and(|within| self.0.received.so_far().0 == 0 && self.age().min(awake) >= within)
    }

    pub(crate) fn set_handling(&self, handling: bool) {
        self.0.handling.store(handling, Ordering::Relaxed);
        if !handling {
            self.heard(Instant::now());
        }
    }

    /// The handler that runs has had its time.
    pub(crate) fn set_late(&self, late: bool) {
        self.0.late.store(late, Ordering::Relaxed);
    }

    pub(crate) fn is_late(&self) -> bool {
        self.0.late.load(Ordering::Relaxed)
    }

    pub(crate) fn is_handling(&self) -> bool {
        self.0.handling.load(Ordering::Relaxed)
    }
}
