//! What the page is told of all servers together: the backend's word, and a few seconds old.

use std::time::SystemTime;

use serde::Serialize;

use crate::backend::{Counts, Server};

/// How many servers are told.
const SERVERS: usize = 100;
/// How much of a name, or of what a backend of somebody's own calls an id.
const NAME_CHARS: usize = 128;

/// What the backend said the last time; nothing, where it could not tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    pub(super) counts: Option<Counts>,
    pub(super) servers: Option<Vec<Server>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Sums {
    servers: usize,
    connections: usize,
    users: usize,
}

/// The first of them, in the order of [`ChannelLayer::servers`](crate::ChannelLayer::servers). None at all: the backend
/// does not tell them apart.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    count: usize,
    shown: Vec<Seen>,
}

/// A server. Times in seconds, `None` where they are unknown.
#[derive(Debug, Serialize)]
struct Seen {
    id: String,
    name: String,
    own: bool,
    connections: usize,
    age: Option<f64>,
    silent: Option<f64>,
    draining: bool,
}

impl Cluster {
    pub(super) fn sums(&self) -> Option<Sums> {
        let Counts { servers, connections, users } = self.counts?;
        Some(Sums { servers, connections, users })
    }

    /// With what this server knows of itself by now.
    pub(super) fn listed(&self, is_draining: bool) -> Option<Listed> {
        let servers = self.servers.as_deref()?;
        let shown = servers.iter().take(SERVERS).map(|server| Seen::of(server, is_draining)).collect();
        Some(Listed { count: servers.len(), shown })
    }
}

impl Seen {
    fn of(server: &Server, is_own_draining: bool) -> Self {
        let bounded = |name: &str| name.chars().take(NAME_CHARS).collect();
        // A clock that is ahead of ours makes no age.
        let age = server.since.map(|since| SystemTime::now().duration_since(since).unwrap_or_default().as_secs_f64());
        Self {
            id: bounded(&server.id),
            name: bounded(&server.name),
            own: server.is_self,
            connections: server.connections,
            age,
            silent: server.silent_for.map(|silent| silent.as_secs_f64()),
            draining: server.is_draining || (server.is_self && is_own_draining),
        }
    }
}
