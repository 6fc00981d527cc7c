//! Times as they go over the wire.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds with fraction.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
