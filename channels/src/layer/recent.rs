//! The last errors, for whoever looks on. Kept only where somebody does.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::error::{Category, Error, Severity, unix_seconds};

/// How many are kept.
const KEPT: usize = 100;
/// How much of its words.
const KEPT_CHARS: usize = 300;

/// An error as its client was told, with where it happened. What only the log may say is not among it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SeenError {
    error_id: String,
    /// Unix seconds.
    at: f64,
    code: String,
    category: Category,
    severity: Severity,
    message: String,
    message_type: Option<String>,
    connection: Option<String>,
    user: Option<String>,
}

impl From<&Error> for SeenError {
    fn from(error: &Error) -> Self {
        let context = error.context();
        let cut = |words: &str| words.chars().take(KEPT_CHARS).collect();
        Self {
            error_id: context.error_id.to_string(),
            at: unix_seconds(context.timestamp),
            code: cut(error.name()),
            category: error.category(),
            severity: error.severity(),
            message: cut(error.message()),
            message_type: context.message_type.clone(),
            connection: context.connection_id.map(|id| id.to_string()),
            user: context.user_id.as_ref().map(ToString::to_string),
        }
    }
}

/// The last [`KEPT`].
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<SeenError>>);

impl Recent {
    pub(super) fn add(&self, error: &Error) {
        let seen = SeenError::from(error);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(seen);
    }

    pub(crate) fn newest_first(&self) -> Vec<SeenError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}
