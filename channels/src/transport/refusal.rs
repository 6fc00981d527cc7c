//! What a client gets that is not let in: an HTTP response, and the line of the log with the same id.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;

use super::response::unlogged;
use crate::error::{Error, ErrorCode, Severity};
use crate::id::UserId;
use crate::layer::{Admission, ChannelLayer, Refused};

/// Whoever asks for a connection, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub(super) user: Option<&'a UserId>,
    pub(super) ip: Option<IpAddr>,
}

impl Who<'_> {
    /// The error of a request that came from there.
    fn asked(self, error: Error) -> Error {
        let error = error.of_user(self.user);
        match self.ip {
            Some(ip) => error.with_metadata("address", ip.to_string()),
            None => error,
        }
    }
}

/// There is no place for it.
pub(super) fn not_admitted(refused: Refused, who: Who<'_>, layer: &ChannelLayer) -> Response {
    let limit = |message: &'static str| Error::new(ErrorCode::ConnectionLimitExceeded, message);
    let after = reconnects_after(layer);
    let (error, status) = match refused.why {
        Admission::TooManyOfAddress => {
            let error = limit("There are too many connections from your address.").with_retry_after(after);
            (error, Some(StatusCode::TOO_MANY_REQUESTS))
        }
        Admission::TooManyOfUser => {
            let error = limit("You have too many connections.").with_retry_after(after);
            (error, Some(StatusCode::TOO_MANY_REQUESTS))
        }
        Admission::Full => (limit("The server is full."), None),
        Admission::Draining => {
            // Nothing is broken, and another server may take it at once.
            let error = Error::backend("The server is draining.").with_severity(Severity::Low);
            (error.with_retry_after(after), None)
        }
        Admission::Unknown => (Error::backend("The server cannot take connections now."), None),
    };
    let error = match refused.cause {
        Some(cause) => error.with_source(cause),
        None => error,
    };
    response(error, status, who, layer)
}

/// It is refused with this error.
pub(super) fn with(error: Error, who: Who<'_>, layer: &ChannelLayer) -> Response {
    response(error, None, who, layer)
}

fn response(mut error: Error, status: Option<StatusCode>, who: Who<'_>, layer: &ChannelLayer) -> Response {
    if error.is_retryable() && error.retry_after().is_none() {
        error = error.with_retry_after_spread(reconnects_after(layer));
    }
    let error = who.asked(error);
    layer.manager().refused_request(&error);
    status.map_or_else(|| error.response(), |status| error.response_with(status))
}

/// The application refuses it; where it says so by an error of ours, that is what the log says.
pub(super) fn by_application(mut response: Response, who: Who<'_>, layer: &ChannelLayer) -> Response {
    if let Some(error) = unlogged(&mut response) {
        match Arc::try_unwrap(error) {
            Ok(error) => layer.manager().refused_request(&who.asked(error)),
            // Somebody has kept a copy of the response's extensions.
            Err(shared) => layer.manager().refused_request(&shared),
        }
    }
    response
}

/// At least a second: a client that comes back at once meets the same server.
fn reconnects_after(layer: &ChannelLayer) -> Duration {
    layer.config().reconnect_delay().max(Duration::from_secs(1))
}
