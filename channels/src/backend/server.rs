//! A server, as the backend tells of it.

use std::time::{Duration, SystemTime};

/// A living server, as [`Backend::servers`](super::Backend::servers) tells of it.
///
/// ```
/// use channels::backend::Server;
///
/// let mut server = Server::new("3f2a", 12);
/// server.name = "berlin-1".to_owned();
/// assert!(!server.is_self && server.since.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// What tells it from every other one, of the same name too: the backend's own word, and another one whenever the
    /// server enters anew.
    pub id: String,
    /// Its `SERVER_INSTANCE_ID`, or its `id` where it has told none.
    pub name: String,
    /// Whether it is the one that was asked.
    pub is_self: bool,
    /// Its admitted connections.
    pub connections: usize,
    /// Since when it has been running, by its own clock; `None` where it has not said so.
    pub since: Option<SystemTime>,
    /// How long its heartbeat has stood still, by the clock of the server that was asked; `None` where nobody looks.
    pub silent_for: Option<Duration>,
    /// Whether it said that it is being drained.
    pub is_draining: bool,
}

impl Server {
    /// One of which nothing else is known: it is another than the one that is asked, and its id is its name.
    pub fn new(id: impl Into<String>, connections: usize) -> Self {
        let id = id.into();
        Self { name: id.clone(), id, is_self: false, connections, since: None, silent_for: None, is_draining: false }
    }

    /// The one that was asked, then those with the most connections; the same order whoever asks, and whenever.
    pub(crate) fn sort(servers: &mut [Self]) {
        servers.sort_by(|one, other| {
            let by_size = other.connections.cmp(&one.connections);
            let by_name = || one.name.cmp(&other.name).then_with(|| one.id.cmp(&other.id));
            other.is_self.cmp(&one.is_self).then(by_size).then_with(by_name)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_name_and_size_keep_their_order() {
        let named = |id: &str, name: &str, connections| {
            let mut server = Server::new(id, connections);
            name.clone_into(&mut server.name);
            server
        };
        let mut itself = named("d", "one", 0);
        itself.is_self = true;
        let all = [named("c", "two", 7), named("b", "one", 7), named("a", "two", 7), itself, named("e", "big", 9)];
        for first in 0..all.len() {
            let mut servers = all.to_vec();
            servers.rotate_left(first);
            Server::sort(&mut servers);
            let order: String = servers.iter().map(|server| &*server.id).collect();
            assert_eq!(order, "debac");
        }
    }
}
