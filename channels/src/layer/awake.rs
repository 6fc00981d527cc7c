//! How long this process has been awake: a machine that was suspended, or a runtime that stood still, heard nobody.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much later than it was due something comes after a leap of the clock.
const LEAP: u32 = 2;

/// Looks at the clock again and again. What passed while nobody looked is no client's silence.
pub(super) struct Awake {
    seen: Mutex<Seen>,
}

struct Seen {
    /// How often it is looked at.
    every: Duration,
    since: Instant,
    last: Instant,
}

impl Awake {
    /// It will be looked at this often, or more.
    pub(super) fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self { seen: Mutex::new(Seen { every, since: now, last: now }) }
    }

    /// Looks again, and will from now on as often as this: since when nothing was missed.
    pub(super) fn since(&self, every: Duration) -> Instant {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let slept = now.saturating_duration_since(seen.last);
        if slept > seen.every.max(every) * LEAP {
            tracing::warn!(?slept, "the clock has leapt: clients get their time to answer anew");
            seen.since = now;
        }
        (seen.every, seen.last) = (every, now);
        seen.since
    }
}
