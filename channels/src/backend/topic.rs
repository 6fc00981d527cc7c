//! Where a message goes, and what goes there.

use bytestring::ByteString;

use crate::id::{ConnectionId, UserId};
use crate::message::MessagePolicy;

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

/// A [`Topic`] to keep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The members of a group.
    Group(ByteString),
    /// Every connection of a user.
    User(UserId),
    /// One connection, wherever it is.
    Connection(ConnectionId),
    /// Every connection.
    Broadcast,
}

impl Destination {
    /// The same, borrowed.
    pub fn as_topic(&self) -> Topic<'_> {
        match self {
            Self::Group(name) => Topic::Group(name),
            Self::User(user) => Topic::User(user),
            Self::Connection(id) => Topic::Connection(*id),
            Self::Broadcast => Topic::Broadcast,
        }
    }
}

impl From<Topic<'_>> for Destination {
    fn from(topic: Topic<'_>) -> Self {
        match topic {
            Topic::Group(name) => Self::Group(name.into()),
            Topic::User(user) => Self::User(user.clone()),
            Topic::Connection(id) => Self::Connection(id),
            Topic::Broadcast => Self::Broadcast,
        }
    }
}

/// A message that arrived, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// For whom.
    pub to: Destination,
    /// The message.
    pub envelope: Envelope,
}

/// What a backend carries: bytes that it never reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The one connection that does not get it.
    pub except: Option<ConnectionId>,
    /// What happens to it where a client is too slow.
    pub policy: MessagePolicy,
    /// The finished message of the client, in JSON.
    pub payload: ByteString,
}

impl Envelope {
    /// A message for everybody of the topic.
    pub fn new(payload: impl Into<ByteString>) -> Self {
        Self { except: None, policy: MessagePolicy::OfConsumer, payload: payload.into() }
    }

    /// The same message, without this connection.
    #[must_use]
    pub fn except(mut self, connection: ConnectionId) -> Self {
        self.except = Some(connection);
        self
    }

    /// The same message, with a policy of its own.
    #[must_use]
    pub fn policy(mut self, policy: MessagePolicy) -> Self {
        self.policy = policy;
        self
    }
}
