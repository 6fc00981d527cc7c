//! What a server tells of itself, as the runner reads it.

use serde::{Deserialize, Serialize};

use crate::clock::At;

/// What was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// The beginning of an interruption.
    Interrupted,
    /// Its end.
    Restored,
    /// Events that nobody was told.
    Missed,
}

/// An event of the layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Which.
    pub happened: Happened,
    /// The same for the beginning and the end.
    pub id: u64,
    /// What was lost.
    pub server: String,
    /// Why.
    pub cause: String,
    /// When something was last heard.
    pub since: At,
    /// Everything is heard again.
    pub until: Option<At>,
}

impl Reported {
    /// Something that could not be told.
    pub fn missed() -> Self {
        let none = String::new;
        Self { happened: Happened::Missed, id: 0, server: none(), cause: none(), since: 0, until: None }
    }
}

/// The counts of all servers, and those of the one that was asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// Living servers.
    pub servers: usize,
    /// Connections of all.
    pub connections: usize,
    /// Users of all.
    pub users: usize,
    /// Of this server alone.
    pub here: Here,
}

/// The counts of one server.
#[derive(Clone, Debug, Deserialize)]
pub struct Here {
    /// Connections.
    pub connections: usize,
    /// Messages that a connection did not get.
    pub dropped: u64,
}
