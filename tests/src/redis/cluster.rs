//! A Cluster of three nodes, each with a third of the slots, and with or without a replica for each.

use super::options::RedisOptions;
use super::resp::Value;
use super::server::RedisServer;
use super::slots::SLOTS;
use super::wait::{eventually, until};

/// Nodes that have slots at first. Replicas come behind them, in the same order.
pub const NODES: usize = 3;

/// When a node that does not answer is taken for dead.
const NODE_TIMEOUT_MS: &str = "1500";

/// The nodes of a Cluster; all end when it is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three nodes and waits until each knows who has which slots.
    ///
    /// # Panics
    ///
    /// As [`RedisOptions::start`].
    pub fn start() -> Self {
        Self::with(RedisOptions::default(), false)
    }

    /// As [`start`](Self::start), with a replica for each node.
    pub fn with_replicas() -> Self {
        Self::with(RedisOptions::default(), true)
    }

    /// As [`start`](Self::start), with options for the nodes.
    pub fn with(options: RedisOptions, replicas: bool) -> Self {
        let options = options
            .cluster()
            .config("cluster-announce-ip", "127.0.0.1")
            .config("cluster-node-timeout", NODE_TIMEOUT_MS)
            .config("cluster-replica-validity-factor", "0")
            .config("cluster-allow-replica-migration", "no");
        let count = if replicas { 2 * NODES } else { NODES };
        let cluster = Self { nodes: (0..count).map(|_| options.clone().start()).collect() };
        cluster.deal();
        cluster.meet();
        if replicas {
            cluster.replicate();
        }
        until("the cluster is one", || cluster.is_ok().then_some(()));
        cluster
    }

    /// Gives each node a third of the slots.
    fn deal(&self) {
        let first = |node: usize| usize::from(SLOTS) * node / NODES;
        for (number, node) in self.nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            if number < NODES {
                let (from, to) = (first(number).to_string(), (first(number + 1) - 1).to_string());
                node.command(&["CLUSTER", "ADDSLOTSRANGE", &from, &to]);
            }
        }
    }

    fn meet(&self) {
        for other in &self.nodes[1..] {
            let (port, bus) = (other.address().port().to_string(), other.bus_port().to_string());
            self.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
    }

    fn replicate(&self) {
        for (master, replica) in self.nodes.iter().zip(&self.nodes[NODES..]) {
            let id = id(master);
            // It has to hear of its master first.
            until("a replica follows", || replica.try_command(&["CLUSTER", "REPLICATE", &id]).ok());
            until("a replica is in step", || {
                (replica.command(&["ROLE"]).list()[3].text() == "connected").then_some(())
            });
        }
    }

    /// `redis+cluster://…`: the nodes that have slots at first, with user and password if there are any.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes[..NODES].iter().map(|node| node.address().to_string()).collect();
        format!("redis+cluster://{}{}", self.nodes[0].credentials(), addresses.join(","))
    }

    /// The nodes, [`NODES`] of them and then their replicas. One that is restarted empty with
    /// [`RedisServer::restart_empty`] has forgotten the Cluster too.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The slot of a key or a sharded channel.
    pub fn slot(&self, key: &str) -> u16 {
        let slot = self.running().next().unwrap().command(&["CLUSTER", "KEYSLOT", key]);
        u16::try_from(slot.integer()).unwrap()
    }

    /// The number of the node that has a slot, as the first node that runs knows it.
    pub fn owner(&self, slot: u16) -> usize {
        self.owner_as_seen_by(self.running().next().unwrap(), slot).expect("somebody has the slot")
    }

    /// Waits until all nodes that run say that all is well, and agree on who has which slots.
    pub async fn until_ok(&self) {
        eventually("the cluster is well", || self.is_ok().then_some(())).await;
    }

    /// Waits until another node than this has the slot, for all that run. Returns its number.
    pub async fn owner_after(&self, slot: u16, old: usize) -> usize {
        eventually("another node has the slot", || {
            let owner = self.owner_as_seen_by(self.running().next()?, slot)?;
            let agreed = self.running().all(|node| self.owner_as_seen_by(node, slot) == Some(owner));
            (owner != old && agreed).then_some(owner)
        })
        .await
    }

    /// Has a replica take over from its master while both live, without loss, and waits until all know. Returns
    /// the number of the master that was.
    pub async fn promote(&self, replica: usize) -> usize {
        let replica = &self.nodes[replica];
        // It gives up in silence if it cannot catch up, or if its master does not know it yet.
        let old = eventually("the replica is in step and its master knows it", || {
            let old = self.number(followed(replica)?)?;
            let known = self.nodes[old].command(&["CLUSTER", "REPLICAS", &id(&self.nodes[old])]);
            let known = known.list().iter().map(Value::text).find(|line| line.starts_with(&id(replica)))?;
            (known.ends_with(" connected") && !known.contains("fail")).then_some(old)
        });
        let old = old.await;
        let slot = (0..SLOTS).find(|slot| self.owner(*slot) == old).expect("its master has slots");
        replica.command(&["CLUSTER", "FAILOVER"]);
        self.owner_after(slot, old).await;
        old
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    fn is_ok(&self) -> bool {
        let mut views = self.running().map(|node| {
            let info = node.try_command(&["CLUSTER", "INFO"]).ok()?.text();
            let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
            (info.contains("cluster_state:ok\r\n") && info.contains(&known)).then(|| self.ranges(node))?
        });
        let first = views.next().flatten();
        first.is_some() && views.all(|view| view == first)
    }

    /// Who has which slots: first, last, the number of the node and how many replicas it has.
    fn ranges(&self, node: &RedisServer) -> Option<Vec<(i64, i64, usize, usize)>> {
        let slots = node.try_command(&["CLUSTER", "SLOTS"]).ok()?;
        let range = |range: &Value| {
            let [first, last, master, replicas @ ..] = range.list() else { return None };
            let master = self.number(master.list()[1].integer())?;
            Some((first.integer(), last.integer(), master, replicas.len()))
        };
        slots.list().iter().map(range).collect()
    }

    fn owner_as_seen_by(&self, node: &RedisServer, slot: u16) -> Option<usize> {
        let slot = i64::from(slot);
        let ranges = self.ranges(node)?;
        ranges.iter().find(|(first, last, ..)| (*first..=*last).contains(&slot)).map(|(.., owner, _)| *owner)
    }

    fn number(&self, port: i64) -> Option<usize> {
        self.nodes.iter().position(|node| i64::from(node.address().port()) == port)
    }
}

impl Drop for RedisCluster {
    /// All before any gives its port back: who lives on would take whoever is given it next for one of ours.
    fn drop(&mut self) {
        self.nodes.iter().for_each(RedisServer::kill_9);
    }
}

/// What a node is called by the others.
pub(super) fn id(node: &RedisServer) -> String {
    node.command(&["CLUSTER", "MYID"]).text()
}

/// The port of the master that a replica is in step with.
fn followed(replica: &RedisServer) -> Option<i64> {
    match replica.command(&["ROLE"]).list() {
        [_, _, port, link, ..] if link.text() == "connected" => Some(port.integer()),
        _ => None,
    }
}
