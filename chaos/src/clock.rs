//! One clock for everything: all processes are on one machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub type At = u64;

/// The moment.
pub fn now() -> At {
    at(SystemTime::now())
}

/// A moment of the system's clock.
pub fn at(time: SystemTime) -> At {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A time in milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// From one moment to a later one, in seconds.
pub fn seconds(from: At, to: At) -> f64 {
    Duration::from_millis(to.saturating_sub(from)).as_secs_f64()
}
