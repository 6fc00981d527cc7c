//! A line for each message.

use super::{Middleware, Next};
use crate::error::{Error, MAX_SHOWN_TYPE_CHARS};
use crate::id::UserId;
use crate::message::Message;

/// Logs each message's type, size, time and outcome at debug level, or another; never its payload.
///
/// ```
/// # use channels::middleware::Logging;
/// let quiet = Logging::new();
/// let loud = Logging::new().at_info();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Logging {
    info: bool,
}

impl Logging {
    /// At debug level.
    pub fn new() -> Self {
        Self::default()
    }

    /// At info level.
    #[must_use]
    pub fn at_info(mut self) -> Self {
        self.info = true;
        self
    }
}

impl Middleware for Logging {
    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        // A name is as long as its client likes.
        let name: String = message.name().chars().take(MAX_SHOWN_TYPE_CHARS).collect();
        let (size, connection) = (message.size(), next.connection().clone());
        let began = tokio::time::Instant::now();
        let outcome = next.run(message).await;
        let took = began.elapsed();
        let error = outcome.as_ref().err().map(|error| String::from(error.name()));
        // Names are the client's: written as quoted strings, they forge neither a line nor a field.
        let (id, user) = (connection.id(), connection.user().map(UserId::as_str));
        if self.info {
            tracing::info!(connection = %id, user, message_type = ?name, size, ?took, error, "message");
        } else {
            tracing::debug!(connection = %id, user, message_type = ?name, size, ?took, error, "message");
        }
        outcome
    }
}
