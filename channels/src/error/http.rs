//! Errors as HTTP responses: before the upgrade, and at REST endpoints.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Error, ErrorCode, ErrorResponse};

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

    /// The response with another status than [`Error::status`].
    pub fn into_response_with(self, status: StatusCode) -> Response {
        let body = serde_json::to_vec(&ErrorResponse::from(&self)).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let Some(after) = self.retry_after() {
            // Whole seconds, rounded up: earlier is too early.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Said(Arc::new(self)));
        response
    }

    /// The error that a response was made of.
    pub(crate) fn said_by(response: &mut Response) -> Option<Arc<Self>> {
        response.extensions_mut().remove().map(|Said(error)| error)
    }
}

/// What a response says, for whoever writes it to the log.
#[derive(Clone)]
struct Said(Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        self.into_response_with(status)
    }
}
