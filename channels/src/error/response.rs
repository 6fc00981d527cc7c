//! The wire form of an error.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Category, Error, Severity, unix_seconds};

/// The `data` of an `error` frame, and the JSON body of an HTTP error.
///
/// ```
/// use channels::{Error, ErrorResponse};
///
/// let error = Error::validation("text", "must not be empty");
/// let json = serde_json::to_value(ErrorResponse::from(&error)).unwrap();
/// assert_eq!(json["error_code"], "VALIDATION_FAILED");
/// assert_eq!(json["details"]["text"][0], "must not be empty");
/// ```
#[derive(Debug, Serialize)]
pub struct ErrorResponse<'a> {
    error_code: &'a str,
    message: &'a str,
    category: Category,
    severity: Severity,
    error_id: String,
    timestamp: f64,
    retryable: bool,
    retry_after_ms: Option<u64>,
    message_type: Option<&'a str>,
    details: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> From<&'a Error> for ErrorResponse<'a> {
    fn from(error: &'a Error) -> Self {
        let context = error.context();
        Self {
            error_code: error.name(),
            message: error.message(),
            category: error.category(),
            severity: error.severity(),
            error_id: context.error_id.to_string(),
            timestamp: unix_seconds(context.timestamp),
            retryable: error.is_retryable(),
            // Rounded up: a client that waits exactly as long as told must not be refused again.
            retry_after_ms: error
                .retry_after()
                .map(|after| u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)),
            message_type: context.message_type.as_deref(),
            details: error.details(),
        }
    }
}
