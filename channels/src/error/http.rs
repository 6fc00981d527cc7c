//! Errors as HTTP responses: before the upgrade, and at REST endpoints.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Error, ErrorCode, ErrorResponse};

/// A 401 has to name a scheme (RFC 9110, section 15.5.2), and only the application knows how one signs in. `Basic` and its like
/// have a browser ask for a password, and `Bearer` would promise that a token helps; a scheme that nobody knows does neither.
const CHALLENGE: &str = "Application";

impl Error {
    /// The HTTP status that says the same.
    pub fn status(&self) -> StatusCode {
        match self.code() {
            ErrorCode::AuthenticationFailed => StatusCode::UNAUTHORIZED,
            ErrorCode::AuthorizationFailed => StatusCode::FORBIDDEN,
            ErrorCode::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::ConnectionLimitExceeded | ErrorCode::BackendError => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TimeoutError => StatusCode::GATEWAY_TIMEOUT,
            ErrorCode::SystemError | ErrorCode::WebsocketError | ErrorCode::ConnectionError => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            ErrorCode::MessageError
            | ErrorCode::ValidationFailed
            | ErrorCode::InvalidJson
            | ErrorCode::InvalidMessageFormat
            | ErrorCode::MissingMessageType
            | ErrorCode::InvalidMessageParams => StatusCode::BAD_REQUEST,
        }
    }

    /// The response that says so, with [`Error::status`]; the log has to be told by whoever sends it.
    pub(crate) fn response(&self) -> Response {
        self.response_with(self.status())
    }

    /// The same with another status.
    pub(crate) fn response_with(&self, status: StatusCode) -> Response {
        let body = serde_json::to_vec(&ErrorResponse::from(self)).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after() {
            // Whole seconds, rounded up: earlier is too early.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        response
    }
}
