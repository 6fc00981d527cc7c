//! What is told of an error, and whether anybody is: the same for a handler that runs alone and for those beside others.

use uuid::Uuid;

use super::answer::{Answers, Request};
use crate::close::CloseReason;
use crate::connection::Connection;
use crate::error::{Error, ErrorCode};
use crate::layer::ChannelLayer;
use crate::message::Outgoing;

/// Counts and logs an error; `None` where nobody is left to be told.
pub(super) fn noted(
    error: Error,
    request: &Request,
    connection: &Connection,
    layer: &ChannelLayer,
    name: Option<&str>,
) -> Option<Error> {
    let error = error.located(connection.id(), connection.user(), name);
    // A send to this very connection failed, which is ending. Where answers are kept, somebody may ask again what became of
    // the request, and whatever its handler did before is not done a second time.
    if connection.is_closing() && error.code() == ErrorCode::ConnectionError && !request.answered.is_kept() {
        return None;
    }
    layer.manager().failed(&error);
    Some(error)
}

/// Whether it is told at all. Where it says that another attempt may do better, and nothing else was answered, the request is
/// forgotten: whatever is said of it, it is no answer for good. An answer that was given stays the answer.
pub(super) fn is_told(error: &Error, request: &Request) -> bool {
    let is_owed = request.is_owed_an_answer();
    if error.is_only_for_requests() && !is_owed {
        request.answered.end(true);
        return false;
    }
    if error.is_retryable() && is_owed {
        request.answered.end(false);
    }
    true
}

/// Tells what the consumer's hook for errors failed with, which was asked about the error with this id.
pub(super) fn told<M: Outgoing>(
    outcome: Result<(), Error>,
    asked: Uuid,
    mut answers: Answers<'_, M>,
    connection: &Connection,
    layer: &ChannelLayer,
) -> Result<(), Error> {
    let Err(error) = outcome else { return Ok(()) };
    // What it replied before goes out before the error, which bears the `re`; where it cannot be written, that is the error.
    let error = answers.release().err().unwrap_or(error);
    let error = error.located(connection.id(), connection.user(), None);
    let nobody_is_left = connection.is_closing() && error.code() == ErrorCode::ConnectionError;
    // Its own fault, and not what it was asked about, which has been counted and logged.
    if error.context().error_id != asked && !nobody_is_left {
        layer.manager().failed(&error);
    }
    answers.failed(&error)
}

/// Whoever could not be told is leaving.
pub(super) fn untold(told: Result<(), Error>, connection: &Connection) {
    if let Err(error) = told {
        tracing::debug!(%error, connection = %connection.id(), "an error could not be told");
    }
}

/// Why the connection ends with an error, where it does.
pub(super) fn ending(error: &Error) -> Option<CloseReason> {
    error.should_disconnect().then(|| CloseReason::server(error.close_code(), error.message().to_owned()))
}
