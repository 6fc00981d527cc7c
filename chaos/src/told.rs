//! What a server tells of itself, as the runner reads it.

use std::collections::BTreeMap;

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
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Here {
    /// Connections.
    pub connections: usize,
    /// Users.
    pub users: usize,
    /// Groups.
    pub groups: usize,
    /// Messages that a connection did not get.
    pub dropped: u64,
    /// Connections that were ever made.
    pub connections_total: u64,
    /// Requests that were refused before the upgrade.
    pub refused: u64,
    /// Connections that ended without a word.
    pub lost: u64,
    /// Connections that were closed with 4408.
    pub timed_out: u64,
    /// With 4413.
    pub too_slow: u64,
    /// With 1002, 1007 or 1009.
    pub protocol_errors: u64,
    /// Messages of clients.
    pub messages_in: u64,
    /// Messages to clients.
    pub messages_out: u64,
    /// Errors by category.
    pub errors: BTreeMap<String, u64>,
}
