//! Where a message goes, and what goes there.

use bytestring::ByteString;

use crate::id::{ConnectionId, UserId};

/// A destination. A group and a user of the same name are two topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic<'a> {
    /// The members of a group.
    Group(&'a str),
    /// Every connection of a user.
    User(&'a UserId),
    /// One connection, wherever it is.
    Connection(ConnectionId),
    /// Every connection.
    Broadcast,
}

/// What a backend carries: bytes that it never reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The one connection that does not get it.
    pub except: Option<ConnectionId>,
    /// The finished message of the client, in JSON.
    pub payload: ByteString,
}

impl Envelope {
    /// A message for everybody of the topic.
    pub fn new(payload: impl Into<ByteString>) -> Self {
        Self { except: None, payload: payload.into() }
    }

    /// The same message, without this connection.
    #[must_use]
    pub fn except(mut self, connection: ConnectionId) -> Self {
        self.except = Some(connection);
        self
    }
}
