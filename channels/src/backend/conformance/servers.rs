//! Which servers there are.

use tokio::time::Instant;

use super::cluster::{Cluster, LOOK_AGAIN, Node};
use super::recorder::{PATIENCE, user};
use crate::backend::{Backend, Limits, Server, Sink};

/// More than any check takes.
const PLENTY: usize = 1000;

/// Every node tells of all of them, by name and with the connections of each, also where two have one name; of itself
/// as itself; and of which are being drained. A backend that tells of none passes.
///
/// # Panics
///
/// Where a node tells something else, and goes on to.
pub async fn servers_are_told_apart<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "servers_are_told_apart";
    let cluster = Cluster::start(CHECK, make).await;
    if cluster.node(0).servers().await.is_empty() {
        return cluster.stop().await;
    }
    let limits = Limits { per_user: PLENTY, total: PLENTY };
    let ada = user("ada");
    // The first has one connection, the second two, and so on.
    for (number, node) in cluster.nodes.iter().enumerate() {
        for _ in 0..=number {
            assert_eq!(node.admit(Some(&ada), limits).await, Ok(()), "{CHECK}");
        }
    }
    told(CHECK, &cluster, |number| (number + 1, false)).await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        (0..=number).for_each(|_| node.backend.release(Some(&ada)));
    }
    told(CHECK, &cluster, |_| (0, false)).await;
    // It says so with whatever it says next.
    cluster.node(0).sink.drain();
    cluster.node(0).admit_soon(None, limits).await;
    told(CHECK, &cluster, |number| (usize::from(number == 0), number == 0)).await;
    cluster.node(0).backend.release(None);
    cluster.stop().await;
}

/// Waits until every node tells the same of all: how many connections each has, and whether it is being drained.
async fn told<B: Backend>(check: &str, cluster: &Cluster<B>, of: impl Fn(usize) -> (usize, bool)) {
    let limit = Instant::now() + PATIENCE;
    for asked in &cluster.nodes {
        let expected = sorted(cluster.nodes.iter().enumerate().map(|(number, node)| {
            let (connections, is_draining) = of(number);
            (node.sink.server_name(), connections, is_draining, node.is(asked))
        }));
        loop {
            let servers = asked.servers().await;
            let ids: std::collections::HashSet<_> = servers.iter().map(|server| &server.id).collect();
            assert_eq!(ids.len(), servers.len(), "{check}: two servers have one id: {servers:?}");
            let told = sorted(
                servers
                    .iter()
                    .map(|server| (server.name.clone(), server.connections, server.is_draining, server.is_self)),
            );
            if told == expected {
                break;
            }
            assert!(Instant::now() < limit, "{check}: there are {expected:?}, and a node tells of {told:?}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all
}

impl<B: Backend> Node<B> {
    fn is(&self, other: &Self) -> bool {
        self.sink.incarnation() == other.sink.incarnation()
    }

    async fn servers(&self) -> Vec<Server> {
        match self.backend.servers().await {
            Ok(servers) => servers,
            Err(error) => panic!("servers_are_told_apart: nobody can tell which servers there are: {error}"),
        }
    }
}
