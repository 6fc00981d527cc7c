//! Moving a slot from node to node while the Cluster works.

use super::cluster::{RedisCluster, id};
use super::server::RedisServer;

/// As many as every Cluster has.
pub const SLOTS: u16 = 16_384;

/// Keys that move at once.
const BATCH: usize = 100;

/// How long a batch may take.
const BATCH_MS: &str = "5000";

impl RedisCluster {
    /// Moves a slot and its keys from one node to another, as `redis-cli --cluster reshard` does. Nodes are told by
    /// their numbers in [`nodes`](Self::nodes).
    ///
    /// # Panics
    ///
    /// If `from` does not have the slot.
    pub fn migrate_slot(&self, slot: u16, from: usize, to: usize) {
        self.begin_migration(slot, from, to);
        self.move_keys(slot, from, to);
        self.end_migration(slot, from, to);
    }

    /// From now on keys that are not there any more are asked for at the new node.
    pub fn begin_migration(&self, slot: u16, from: usize, to: usize) {
        let (from, to, slot) = (&self.nodes()[from], &self.nodes()[to], slot.to_string());
        to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    }

    /// Moves all keys that are there.
    pub fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let (from, to, slot) = (&self.nodes()[from], &self.nodes()[to], slot.to_string());
        loop {
            let keys = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, &BATCH.to_string()]);
            if keys.list().is_empty() {
                return;
            }
            let mut command = migrate(to);
            command.extend(keys.list().iter().map(|key| key.text()));
            from.command(&command);
        }
    }

    /// From now on the slot is the new node's. A sharded subscription at the old one gets its `sunsubscribe`.
    pub fn end_migration(&self, slot: u16, from: usize, to: usize) {
        let (new, slot) = (id(&self.nodes()[to]), slot.to_string());
        let (first, then) = (&self.nodes()[to], &self.nodes()[from]);
        // The new one before the old one, so that there is no moment in which they send each other the client. The
        // others would hear of it, a little later. Replicas take it from their masters only.
        let others = self.running().filter(|node| ![first.address(), then.address()].contains(&node.address()));
        let others = others.filter(|node| node.command(&["ROLE"]).list()[0].text() == "master");
        for node in [first, then].into_iter().chain(others) {
            node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &new]);
        }
    }
}

/// MIGRATE up to the keys.
fn migrate(to: &RedisServer) -> Vec<String> {
    let mut words = vec!["MIGRATE".to_owned(), "127.0.0.1".to_owned(), to.address().port().to_string()];
    words.extend(["", "0", BATCH_MS].map(str::to_owned));
    if let Some((name, password)) = to.user() {
        words.extend(["AUTH2", name, password].map(str::to_owned));
    }
    words.push("KEYS".to_owned());
    words
}
