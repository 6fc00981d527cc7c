//! Where a message goes, and what goes there.

use std::fmt;

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

impl Topic<'_> {
    /// What kind of destination it is: `group`, `user`, `connection` or `everybody`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Group(_) => "group",
            Self::User(_) => "user",
            Self::Connection(_) => "connection",
            Self::Broadcast => "everybody",
        }
    }
}

/// Its name, as it goes into a log: quoted where it is an application's or a client's, so that it cannot forge a line.
impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "{name:?}"),
            Self::User(user) => write!(f, "{user}"),
            Self::Connection(id) => write!(f, "{id}"),
            Self::Broadcast => f.write_str("everybody"),
        }
    }
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
    /// Who wants to know what becomes of it: the sink answers.
    pub asked: Option<Asked>,
    /// Whom it is for.
    pub content: Content,
    /// The finished message of the client, in JSON; of a command, what is to be done.
    pub payload: ByteString,
}

/// Where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The [incarnation](crate::backend::Sink::incarnation) of the server.
    pub server: u64,
    /// What it knows the message by.
    pub number: u64,
}

/// What an envelope holds. Both go the same way, so that a command comes after the messages that were sent before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A message for the members of the topic.
    #[default]
    Message,
    /// Something that the servers do with the members of the topic, such as closing them.
    Command,
}

impl Envelope {
    /// A message for everybody of the topic.
    pub fn new(payload: impl Into<ByteString>) -> Self {
        Self {
            except: None,
            policy: MessagePolicy::OfConsumer,
            asked: None,
            content: Content::Message,
            payload: payload.into(),
        }
    }

    /// A command for the servers that have members of the topic.
    pub(crate) fn command(payload: impl Into<ByteString>) -> Self {
        Self { content: Content::Command, ..Self::new(payload) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_to_every_kind_are_measured() {
        let user = UserId::new("ada").unwrap();
        let connection = ConnectionId::new(1, 1);
        let all = [Topic::Group("all"), Topic::User(&user), Topic::Connection(connection), Topic::Broadcast];
        assert_eq!(all.map(|topic| topic.kind()), crate::timings::KINDS);
    }
}
