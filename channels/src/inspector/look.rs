//! What the page is told: bounded, whatever there is.

use serde::{Deserialize, Serialize};

use super::sample::Sample;
use super::servers::{Listed, Sums};
use super::watch::Watch;
use crate::connection::Connection;
use crate::error::unix_seconds;
use crate::id::UserId;
use crate::layer::SeenError;

/// How many connections, or members of a group, are told.
const CONNECTIONS: usize = 100;
/// How many groups.
const GROUPS: usize = 50;
/// How many of a connection's groups.
const OWN_GROUPS: usize = 10;
/// How many connections or groups are looked at for those.
const LOOKED_AT: usize = 20_000;

/// What the page wants to see.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// The number of the last sample that it has.
    after: u64,
    /// Words in an id, a user, or an address.
    find: String,
    /// A group whose members it shows.
    group: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Look {
    server: Server,
    counts: Counts,
    /// Of all servers together.
    cluster: Option<Sums>,
    servers: Option<Listed>,
    backend: Backend,
    samples: Vec<Sample>,
    connections: Vec<Seen>,
    groups: Vec<Group>,
    group: Option<Members>,
    /// The newest first.
    errors: Vec<SeenError>,
}

#[derive(Debug, Serialize)]
struct Server {
    id: String,
    version: &'static str,
    uptime: f64,
    draining: bool,
}

#[derive(Debug, Serialize)]
struct Counts {
    connections: usize,
    users: usize,
    groups: usize,
    connections_total: u64,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    dropped: u64,
    refused: u64,
    errors: u64,
}

#[derive(Debug, Serialize)]
struct Backend {
    name: &'static str,
    connected: bool,
    /// Unix seconds.
    since: f64,
    reason: Option<String>,
    interruptions: u64,
    last_interruption: Option<String>,
}

/// A connection. Times in seconds.
#[derive(Debug, Serialize)]
struct Seen {
    id: String,
    user: Option<String>,
    ip: Option<String>,
    age: f64,
    idle: f64,
    groups: Vec<String>,
    more_groups: usize,
    messages_in: u64,
    messages_out: u64,
    queued: usize,
    queued_bytes: usize,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    members: usize,
}

/// Those of this server.
#[derive(Debug, Serialize)]
struct Members {
    name: String,
    count: usize,
    shown: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Member {
    id: String,
    user: Option<String>,
}

impl Seen {
    fn of(connection: &Connection) -> Self {
        let (groups, all) = connection.first_groups(OWN_GROUPS);
        let more_groups = all - groups.len();
        let counters = connection.counters();
        let (queued, queued_bytes) = connection.outbox().waiting();
        Self {
            id: connection.id().to_string(),
            user: connection.user().map(ToString::to_string),
            ip: connection.ip().map(|ip| ip.to_string()),
            age: connection.age().as_secs_f64(),
            idle: connection.idle().as_secs_f64(),
            groups,
            more_groups,
            messages_in: counters.messages_in,
            messages_out: counters.messages_out,
            queued,
            queued_bytes,
        }
    }
}

impl Watch {
    pub(super) fn look(&self, asked: &Asked) -> Look {
        let (layer, stats, health) = (&self.layer, self.layer.stats(), self.layer.health());
        let is_draining = layer.manager().is_draining();
        let (cluster, servers) = {
            let cluster = self.cluster();
            (cluster.sums(), cluster.listed(is_draining))
        };
        Look {
            server: Server {
                id: layer.config().server_instance_id().to_owned(),
                version: env!("CARGO_PKG_VERSION"),
                uptime: layer.uptime().as_secs_f64(),
                draining: is_draining,
            },
            counts: Counts {
                connections: stats.connections,
                users: stats.users,
                groups: stats.groups,
                connections_total: stats.connections_total,
                messages_in: stats.messages_in,
                messages_out: stats.messages_out,
                bytes_in: stats.bytes_in,
                bytes_out: stats.bytes_out,
                dropped: stats.dropped,
                refused: stats.refused,
                errors: stats.errors_total(),
            },
            cluster,
            servers,
            backend: Backend {
                name: layer.backend_name(),
                connected: health.connected,
                since: unix_seconds(health.since),
                reason: health.reason,
                interruptions: health.interruptions,
                last_interruption: health.last_interruption.map(|last| format!("{}: {}", last.server, last.cause)),
            },
            samples: self.history().after(asked.after),
            connections: self.connections(asked.find.trim()),
            groups: self.groups(),
            group: (!asked.group.is_empty()).then(|| self.members(&asked.group)),
            errors: self.recent.newest_first(),
        }
    }

    /// Whose id or name is the very words come first, wherever they are; then whoever has the words in theirs.
    fn connections(&self, find: &str) -> Vec<Seen> {
        let registry = self.layer.registry();
        let mut found = Vec::new();
        if !find.is_empty() {
            found.extend(find.parse().ok().and_then(|id| registry.get(id)));
            found.extend(UserId::new(find).iter().flat_map(|user| registry.user_connections(user)));
        }
        let words = find.to_lowercase();
        let has_words = |connection: &Connection| {
            let has = |text: String| text.to_lowercase().contains(&words);
            words.is_empty()
                || connection.user().is_some_and(|user| has(user.to_string()))
                || connection.ip().is_some_and(|ip| has(ip.to_string()))
                || has(connection.id().to_string())
        };
        let exact = found.len();
        for connection in registry.first(LOOKED_AT) {
            if found.len() - exact >= CONNECTIONS {
                break;
            }
            if has_words(&connection) && !found[..exact].contains(&connection) {
                found.push(connection);
            }
        }
        found.truncate(CONNECTIONS);
        let mut shown: Vec<Seen> = found.iter().map(Seen::of).collect();
        // The newest first.
        shown.sort_by(|one, other| one.age.total_cmp(&other.age).then_with(|| one.id.cmp(&other.id)));
        shown
    }

    /// The largest first.
    fn groups(&self) -> Vec<Group> {
        let mut all = self.layer.registry().first_groups(LOOKED_AT);
        all.sort_by(|(one, own), (other, theirs)| theirs.cmp(own).then_with(|| one.cmp(other)));
        all.truncate(GROUPS);
        all.into_iter().map(|(name, members)| Group { name: name.to_string(), members }).collect()
    }

    fn members(&self, group: &str) -> Members {
        let (count, first) = self.layer.registry().first_members(group, CONNECTIONS);
        let member = |connection: &Connection| Member {
            id: connection.id().to_string(),
            user: connection.user().map(ToString::to_string),
        };
        Members { name: group.to_owned(), count, shown: first.iter().map(member).collect() }
    }
}
