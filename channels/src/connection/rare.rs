//! What most connections never have: behind one pointer, made when it is first needed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::limits::Meter;
use crate::rate_limit::ConnectionLimiters;

#[derive(Default)]
pub(super) struct Rare {
    /// What the application remembers.
    metadata: Mutex<Map<String, Value>>,
    /// Of `#[rate_limit]` by connection.
    pub(super) limiters: ConnectionLimiters,
    /// Of frames and bytes.
    pub(super) meter: Meter,
}

impl Rare {
    pub(super) fn metadata(&self) -> MutexGuard<'_, Map<String, Value>> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
