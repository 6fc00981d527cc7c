//! What is too large or too late.

use super::{Middleware, Next};
use crate::connection::Connection;
use crate::error::Error;
use crate::message::{Frame, Message};

/// Refuses frames over a size before anything of them is parsed, and drops messages whose time to
/// live has passed.
///
/// The transport refuses frames over `WS_MAX_MESSAGE_SIZE` with close code 1009; this is for a
/// smaller limit that costs the client an error, not the connection. An expired message is never
/// handled, with or without it; with it, also one that expired inside the chain before it.
///
/// ```
/// # use channels::middleware::Validation;
/// let small = Validation::new().max_size(64 * 1024);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Validation {
    max_size: Option<usize>,
}

impl Validation {
    /// Expiry only.
    pub fn new() -> Self {
        Self::default()
    }

    /// The largest frame, in bytes of its payload.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = Some(bytes);
        self
    }
}

impl Middleware for Validation {
    fn inspect(&self, frame: &Frame, _connection: &Connection) -> Result<(), Error> {
        match self.max_size {
            Some(max) if frame.len() > max => {
                Err(Error::validation("message", format!("has {} bytes, and at most {max} are allowed", frame.len())))
            }
            _ => Ok(()),
        }
    }

    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        if message.is_expired() {
            next.layer().manager().counters.expired();
            return Err(crate::message::expired());
        }
        next.run(message).await
    }
}
