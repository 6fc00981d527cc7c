//! What the test server and its clients say to each other.

use channels::prelude::*;
use serde::{Deserialize, Serialize};

/// Where a message is to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The members of a group.
    Group(String),
    /// The connections of a user.
    User(String),
    /// One connection.
    Connection(String),
    /// Every connection.
    Everybody,
}

/// What nobody else sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Who.
    pub publisher: u32,
    /// Which of its messages.
    pub number: u32,
}

/// What a client sends.
#[derive(Debug, Serialize, Deserialize, Incoming)]
pub enum FromClient {
    /// It wants to be a member.
    Join(Group),
    /// It does not any more.
    Leave(Group),
    /// It publishes.
    Publish(Publish),
    /// It wants something that is done once.
    Order(Order),
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub group: String,
}

/// A message to be published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publish {
    /// Which.
    pub stamp: Stamp,
    /// To whom.
    pub to: Target,
    /// How many bytes it weighs besides.
    pub padding: usize,
}

/// What is to be done once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Order {
    /// How long it takes, in milliseconds.
    pub millis: u64,
}

/// An order that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// The process that did it.
    pub server: u32,
    /// When it began to, in milliseconds since 1970.
    pub began: u64,
}

/// What a server sends.
#[derive(Debug, Serialize, Outgoing)]
pub enum FromServer {
    /// The first message.
    Welcome(Welcome),
    /// The answer to a join.
    Joined(Joined),
    /// The answer to a leave.
    Left(Group),
    /// What somebody published.
    Stamped(Stamped),
    /// What became of a publish.
    Published(Published),
    /// The answer to an order.
    Ordered(Ordered),
}

/// Who the client is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The name of its connection.
    pub connection: String,
}

/// What became of a join.
#[derive(Debug, Serialize, Deserialize)]
pub struct Joined {
    /// What was asked for.
    pub group: String,
    /// Why it is no member.
    pub problem: Option<String>,
}

/// A published message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stamped {
    /// Which.
    pub stamp: Stamp,
    /// Its weight.
    pub padding: String,
}

/// What became of a publish.
#[derive(Debug, Serialize, Deserialize)]
pub struct Published {
    /// Of which.
    pub stamp: Stamp,
    /// What.
    pub outcome: Outcome,
    /// What the error said.
    pub problem: Option<String>,
}

/// What a publisher knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The backend took it.
    Ok,
    /// Nobody has it.
    NotSent,
    /// Some may have it.
    Unknown,
    /// It was refused before it came to the backend.
    Refused,
}
