//! The servers that live, each with what it says of itself.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::counts::{self, value};
use super::fault::Fault;
use super::net::Net;
use crate::backend::Server;
use crate::config::is_server_name;

/// What a server says of itself with each heartbeat, in the hash `about` under its lease: a line each, as no name has
/// line breaks. A later version may say more, and one from before it says nothing.
#[derive(Debug, Default, PartialEq)]
pub(super) struct About {
    pub(super) name: String,
    /// Unix milliseconds.
    pub(super) since: u64,
    pub(super) draining: bool,
}

const LIVE: &str = "live";
const DRAINING: &str = "draining";

/// A server and its heartbeat.
pub(super) struct Seen {
    pub(super) beat: u64,
    pub(super) server: Server,
}

/// All who are not condemned.
///
/// # Errors
///
/// [`Fault`] where nobody can tell.
pub(super) async fn read(net: &Net) -> Result<Vec<Seen>, Fault> {
    let (beats, connections, condemned, about) = futures_util::try_join!(
        counts::common(net, "HGETALL", "servers"),
        counts::common(net, "HGETALL", "connections"),
        counts::common(net, "SMEMBERS", "condemned"),
        counts::common(net, "HGETALL", "about"),
    )?;
    let (beats, connections): (HashMap<String, u64>, HashMap<String, usize>) = (value(beats)?, value(connections)?);
    let (condemned, about): (HashSet<String>, HashMap<String, Vec<u8>>) = (value(condemned)?, value(about)?);
    let seen = |(lease, beat): (String, u64)| {
        let said = about.get(&lease).map_or_else(About::default, |said| About::read(said));
        Seen { beat, server: said.server(&lease, connections.get(&lease).copied().unwrap_or(0)) }
    };
    Ok(beats.into_iter().filter(|(lease, _)| !condemned.contains(lease)).map(seen).collect())
}

impl About {
    /// What is none of ours says nothing.
    fn read(said: &[u8]) -> Self {
        let mut lines = str::from_utf8(said).unwrap_or_default().split('\n');
        let mut next = || lines.next().unwrap_or_default();
        Self { name: next().to_owned(), since: next().parse().unwrap_or(0), draining: next() == DRAINING }
    }

    pub(super) fn text(&self) -> String {
        let Self { name, since, draining } = self;
        format!("{name}\n{since}\n{}", if *draining { DRAINING } else { LIVE })
    }

    /// The server of this lease.
    pub(super) fn server(self, lease: &str, connections: usize) -> Server {
        let mut server = Server::new(lease, connections);
        if is_server_name(&self.name) {
            server.name = self.name;
        }
        server.since = (self.since > 0).then(|| UNIX_EPOCH.checked_add(Duration::from_millis(self.since))).flatten();
        server.is_draining = self.draining;
        server
    }
}

/// A moment, as [`About`] says it.
pub(super) fn unix_millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_read_as_it_was_written() {
        let about = About { name: "berlin-1 \"\u{1f980}\"".to_owned(), since: 1_700_000_000_123, draining: true };
        assert_eq!(About::read(about.text().as_bytes()), about);
        let server = about.server("3f2a", 7);
        assert_eq!((&*server.id, &*server.name, server.connections), ("3f2a", "berlin-1 \"\u{1f980}\"", 7));
        assert!(server.is_draining && server.since.map(unix_millis) == Some(1_700_000_000_123));
    }

    #[test]
    fn who_says_less_or_more_is_shown_with_what_is_known() {
        let long = "x".repeat(129);
        for said in ["", "\n", "\nx", "a\u{1b}[2J\n", " a", &long, "\u{0}", "\n-1\nlive", "\n\ndrain"] {
            let server = About::read(said.as_bytes()).server("3f2a", 0);
            assert_eq!((&*server.name, server.since, server.is_draining), ("3f2a", None, false), "{said}");
        }
        assert_eq!(About::read(b"\xff").server("3f2a", 0).name, "3f2a");
        let less = About::read(b"one").server("3f2a", 0);
        assert_eq!((&*less.name, less.since, less.is_draining), ("one", None, false));
        let more = About::read(b"one\n1700000000123\ndraining\nzone a").server("3f2a", 0);
        assert!(more.name == "one" && more.since.is_some() && more.is_draining);
        let for_ever = About { since: u64::MAX, ..About::default() };
        assert!(for_ever.server("3f2a", 0).since.is_none_or(|since| since > SystemTime::now()));
    }
}
