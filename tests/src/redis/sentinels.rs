//! A master with replicas, and three Sentinels that watch it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::options::{RedisOptions, quoted};
use super::resp::Value;
use super::server::RedisServer;
use super::wait::{eventually, until};

/// What the Sentinels call it.
pub const MASTER: &str = "mymaster";

/// How many there are. Two of them decide.
const SENTINELS: usize = 3;

const QUORUM: usize = 2;

/// When a server that does not answer is taken for dead.
const DOWN_AFTER_MS: &str = "1000";

const FAILOVER_TIMEOUT_MS: &str = "3000";

/// What cannot be configured but for tests, in milliseconds: how often they ask a server, and each other, and tell. A
/// ping must not take as long as [`DOWN_AFTER_MS`], which is also how long they wait to connect again: a failover ends
/// all connections. They tell four times as often as usual and no more: a server whose role is wrong for four periods
/// is put right, which must not happen within a failover. A Sentinel that a busy machine kept waiting would do nothing
/// for half a minute.
const HURRY: [[&str; 2]; 6] = [
    ["ping-period", "200"],
    ["info-period", "300"],
    ["publish-period", "500"],
    ["ask-period", "200"],
    ["tilt-trigger", "10000"],
    ["tilt-period", "1000"],
];

/// A failover that was begun and has not happened by then was given up.
const AGAIN: Duration = Duration::from_secs(6);

/// A master, its replicas and their Sentinels; all end when it is dropped.
#[derive(Debug)]
pub struct Sentinels {
    sentinels: Vec<RedisServer>,
    servers: Vec<RedisServer>,
}

impl Sentinels {
    /// Starts them and waits until each Sentinel knows everybody.
    ///
    /// # Panics
    ///
    /// As [`RedisOptions::start`].
    pub fn start(replicas: usize) -> Self {
        Self::with(RedisOptions::default(), replicas)
    }

    /// As [`start`](Self::start), with options for the servers, replicas too.
    pub fn with(options: RedisOptions, replicas: usize) -> Self {
        let options = options.watched();
        let master = options.clone().start();
        let port = master.address().port().to_string();
        let replica = || options.clone().config("replicaof", &format!("127.0.0.1 {port}")).start();
        let mut servers = vec![master];
        servers.extend((0..replicas).map(|_| replica()));
        for replica in &servers[1..] {
            // A Sentinel learns of those that are there when it looks first.
            until("a replica follows", || (replica.command(&["ROLE"]).list()[3].text() == "connected").then_some(()));
        }
        let sentinels = (0..SENTINELS).map(|_| sentinel(&options, &port)).collect();
        let all = Self { sentinels, servers };
        for sentinel in &all.sentinels {
            until("a Sentinel knows everybody", || all.is_known_to(sentinel).then_some(()));
        }
        all
    }

    /// `redis+sentinel://…/mymaster`, with user and password of the servers if there are any.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.sentinels.iter().map(|sentinel| sentinel.address().to_string()).collect();
        format!("redis+sentinel://{}{}/{MASTER}", self.servers[0].credentials(), addresses.join(","))
    }

    /// The Sentinels. One that is restarted keeps what it learned, but is in no hurry any more.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The servers; at first, the first is the master.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The master, as the first Sentinel that runs knows it.
    ///
    /// # Panics
    ///
    /// If none runs.
    pub fn master(&self) -> &RedisServer {
        let address = self.sentinels.iter().find_map(named_master).expect("a Sentinel that runs");
        self.server(address)
    }

    /// Those that are not the master.
    pub fn replicas(&self) -> impl Iterator<Item = &RedisServer> {
        let master = self.master().address();
        self.servers.iter().filter(move |server| server.address() != master)
    }

    /// Has a replica promoted while all live, and waits until it is the master. Returns that. The one that was goes on
    /// as a second master, until a Sentinel makes it a replica: two seconds here, eight of them elsewhere.
    pub async fn failover(&self) -> &RedisServer {
        // Also the failover before, if there was one.
        let known = || self.sentinels.iter().all(|sentinel| self.is_known_to(sentinel));
        eventually("the Sentinels know everybody", || known().then_some(())).await;
        let old = self.master().address();
        let mut begun = None;
        eventually("a replica is promoted", || {
            if begun.is_none_or(|begun: Instant| begun.elapsed() > AGAIN) {
                let sentinel =
                    self.sentinels.iter().find(|sentinel| sentinel.is_running()).expect("a Sentinel that runs");
                // Refused while no replica has been heard of lately, or while the one before is not over.
                begun = sentinel.try_command(&["SENTINEL", "FAILOVER", MASTER]).ok().map(|_| Instant::now());
            }
            self.agreed_master().filter(|master| master.address() != old)
        })
        .await
    }

    /// Kills the master (-9); its successor comes by itself, see [`master_after`](Self::master_after).
    pub fn kill_master(&self) -> SocketAddr {
        let master = self.master();
        master.kill_9();
        master.address()
    }

    /// Waits until all Sentinels that run name one other than this, and it is the master. Returns that.
    pub async fn master_after(&self, old: SocketAddr) -> &RedisServer {
        let other = || self.agreed_master().filter(|master| master.address() != old);
        eventually("there is another master", other).await
    }

    /// Whom all Sentinels that run name, if that is a master.
    fn agreed_master(&self) -> Option<&RedisServer> {
        let mut named = self.sentinels.iter().filter(|sentinel| sentinel.is_running()).map(named_master);
        let first = named.next()??;
        let master = self.server(first);
        (named.all(|other| other == Some(first)) && role(master)? == "master").then_some(master)
    }

    fn server(&self, address: SocketAddr) -> &RedisServer {
        let found = self.servers.iter().find(|server| server.address() == address);
        found.unwrap_or_else(|| panic!("{address} is none of ours"))
    }

    fn is_known_to(&self, sentinel: &RedisServer) -> bool {
        let master = sentinel.command(&["SENTINEL", "MASTER", MASTER]);
        let replicas = sentinel.command(&["SENTINEL", "REPLICAS", MASTER]);
        master.field("flags").text() == "master"
            && master.field("num-other-sentinels").integer() == SENTINELS as i64 - 1
            && replicas.list().len() == self.servers.len() - 1
            && replicas.list().iter().all(|replica| replica.field("master-link-status").text() == "ok")
    }
}

impl Drop for Sentinels {
    /// All before any gives its port back: who lives on would take whoever is given it next for one of ours.
    fn drop(&mut self) {
        self.sentinels.iter().chain(&self.servers).for_each(RedisServer::kill_9);
    }
}

fn sentinel(options: &RedisOptions, port: &str) -> RedisServer {
    let mut sentinel = RedisOptions::default()
        .sentinel()
        .config("sentinel", &format!("monitor {MASTER} 127.0.0.1 {port} {QUORUM}"))
        .config("sentinel", &format!("down-after-milliseconds {MASTER} {DOWN_AFTER_MS}"))
        .config("sentinel", &format!("failover-timeout {MASTER} {FAILOVER_TIMEOUT_MS}"));
    if let Some((name, password)) = &options.user {
        if name != "default" {
            sentinel = sentinel.config("sentinel", &format!("auth-user {MASTER} {name}"));
        }
        sentinel = sentinel.config("sentinel", &format!("auth-pass {MASTER} {}", quoted(password)));
    }
    let sentinel = sentinel.start();
    sentinel.command(&[&["SENTINEL", "DEBUG"][..], HURRY.as_flattened()].concat());
    sentinel
}

/// Whom a Sentinel names, if it answers.
fn named_master(sentinel: &RedisServer) -> Option<SocketAddr> {
    let named = sentinel.try_command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]).ok()?;
    let [host, port] = named.list() else { return None };
    format!("{}:{}", host.text(), port.text()).parse().ok()
}

fn role(server: &RedisServer) -> Option<String> {
    server.try_command(&["ROLE"]).ok().map(|role: Value| role.list()[0].text())
}
