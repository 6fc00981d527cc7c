//! How long this process has been awake: a machine that was suspended, or a runtime that stood still, heard nobody.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much later than it was due something comes after a leap of the clock.
const LEAP: u32 = 2;

/// One for each time that is judged by how long this process was awake.
#[derive(Clone, Copy)]
pub(super) struct Since<T> {
    pub(super) heartbeat: T,
    pub(super) message: T,
    pub(super) first_frame: T,
}

impl<T> Since<T> {
    pub(super) fn map<R>(self, mut map: impl FnMut(T) -> R) -> Since<R> {
        let Self { heartbeat, message, first_frame } = self;
        Since { heartbeat: map(heartbeat), message: map(message), first_frame: map(first_frame) }
    }

    fn with<U>(self, other: Since<U>) -> Since<(T, U)> {
        Since {
            heartbeat: (self.heartbeat, other.heartbeat),
            message: (self.message, other.message),
            first_frame: (self.first_frame, other.first_frame),
        }
    }
}

/// Looks at the clock again and again. What passed while nobody looked is no client's silence.
pub(super) struct Awake {
    seen: Mutex<Seen>,
}

struct Seen {
    /// How often it is looked at.
    every: Duration,
    since: Since<Instant>,
    last: Instant,
}

impl Awake {
    /// It will be looked at this often, or more.
    pub(super) fn new(every: Duration) -> Self {
        let now = Instant::now();
        let since = Since { heartbeat: now, message: now, first_frame: now };
        Self { seen: Mutex::new(Seen { every, since, last: now }) }
    }

    /// Looks again, and will from now on as often as this: since when nothing was missed that matters to each of the times.
    ///
    /// To whoever has a minute a stall of half a second does not: if it did, a server that stalls now and then would never
    /// find out who is dead, only since somebody else has a second.
    pub(super) fn since(&self, every: Duration, times: &Since<Duration>) -> Since<Instant> {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let slept = now.saturating_duration_since(seen.last);
        if slept > seen.every.max(every) * LEAP {
            tracing::warn!(?slept, "the clock has leapt: who had less than twice that time gets it anew");
            seen.since = seen.since.with(*times).map(|(since, time)| if slept > time / LEAP { now } else { since });
        }
        (seen.every, seen.last) = (every, now);
        seen.since
    }
}
