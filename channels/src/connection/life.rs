//! Signs of life, which the heartbeat's sweep looks at.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Connection, ConnectionState};

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

    /// `#[connect]` has ended, and the client is waited for. What the server took until then is nobody's silence.
    pub(crate) fn set_connected(&self) {
        let now = Instant::now();
        self.heard(now);
        let after = self.0.link.millis(now).saturating_sub(self.0.connected_at);
        self.0.opened_after.store(u32::try_from(after).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.set_state(ConnectionState::Connected);
    }

    /// The client has taken too long to send its first data frame, of the time that it was waited for and this process was awake.
    pub(crate) fn is_mute(&self, awake: Duration) -> bool {
        let Some(within) = self.0.link.first_frame.filter(|_| self.0.received.so_far().0 == 0) else { return false };
        let opened_at = self.0.connected_at.saturating_add(self.0.opened_after.load(Ordering::Relaxed).into());
        self.since(opened_at).min(awake) >= within
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
