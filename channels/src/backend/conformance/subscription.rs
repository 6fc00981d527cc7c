//! From when on a topic is live, and until when.

use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::delivery::finished;
use super::recorder::{SILENCE, group_named};
use crate::backend::{Backend, Destination, Envelope, Sink};
use crate::id::ConnectionId;

const ROUNDS: usize = 50;

/// What is published right after `subscribe` returned arrives, from whichever node, exactly once.
///
/// # Panics
///
/// Where it is lost or doubled.
pub async fn live_when_subscribed<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "live_when_subscribed";
    let cluster = Cluster::start(CHECK, make).await;
    let addresses: Vec<_> = (0..ROUNDS).map(|round| group_named(format!("live-{round}"))).collect();
    for (round, at) in addresses.iter().enumerate() {
        cluster.node(round).subscribe(at).await;
        for node in &cluster.nodes {
            node.publish(at, Envelope::new("at once")).await;
        }
    }
    for (round, at) in addresses.iter().enumerate() {
        cluster.node(round).sink.reached(CHECK, at, cluster.nodes.len()).await;
    }
    tokio::time::sleep(SILENCE).await;
    for (round, at) in addresses.iter().enumerate() {
        let arrived = cluster.node(round).sink.payloads(at).len();
        assert_eq!(arrived, cluster.nodes.len(), "{CHECK}: more arrived at {at:?} than were sent");
    }
    cluster.stop().await;
}

/// A topic that is live already, or was left and is joined again, is live once.
///
/// # Panics
///
/// Where a message is lost or doubled.
pub async fn subscribing_again<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "subscribing_again";
    let cluster = Cluster::start(CHECK, make).await;
    let at = group_named("again");
    let (node, other) = (cluster.node(0), cluster.node(1));
    for expected in 1..=10 {
        node.subscribe(&at).await;
        node.subscribe(&at).await;
        other.publish(&at, Envelope::new("once")).await;
        node.sink.exactly(CHECK, &at, expected).await;
        if expected % 2 == 0 {
            node.unsubscribe(&at);
            node.unsubscribe(&at);
        }
    }
    cluster.stop().await;
}

/// A single connection and everybody are reached without a subscription.
///
/// # Panics
///
/// Where a message is lost or doubled.
pub async fn always_live_topics<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "always_live_topics";
    let cluster = Cluster::start(CHECK, make).await;
    for sender in &cluster.nodes {
        sender.publish(&Destination::Broadcast, Envelope::new("all")).await;
    }
    for node in &cluster.nodes {
        node.sink.exactly(CHECK, &Destination::Broadcast, cluster.nodes.len()).await;
        let home = Destination::Connection(ConnectionId::new(node.sink.incarnation(), 1));
        for sender in &cluster.nodes {
            sender.publish(&home, Envelope::new("you")).await;
        }
        // Another node may be handed it too, and has nobody to give it to.
        node.sink.exactly(CHECK, &home, cluster.nodes.len()).await;
    }
    cluster.stop().await;
}

/// While topics come and go on all nodes, one that stays loses nothing, and at the end all are live.
///
/// # Panics
///
/// Where a message is lost or doubled.
pub async fn unsubscribing_disturbs_nobody<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "unsubscribing_disturbs_nobody";
    const TASKS: usize = 8;
    let cluster = Cluster::start(CHECK, make).await;
    let steady = group_named("steady");
    cluster.subscribe_all(&steady).await;
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let node = cluster.node(number).clone();
        let (at, steady) = (group_named(format!("coming-and-going-{number}")), steady.clone());
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                node.subscribe(&at).await;
                node.publish(&steady, Envelope::new(format!("{number} {round}"))).await;
                tokio::task::yield_now().await;
                node.unsubscribe(&at);
            }
            node.subscribe(&at).await;
        });
    }
    finished(CHECK, tasks).await;
    for node in &cluster.nodes {
        node.sink.exactly(CHECK, &steady, TASKS * ROUNDS).await;
    }
    for number in 0..TASKS {
        let at = group_named(format!("coming-and-going-{number}"));
        let node = cluster.node(number);
        let before = node.sink.payloads(&at).len();
        cluster.node(number + 1).publish(&at, Envelope::new("at last")).await;
        node.sink.exactly(CHECK, &at, before + 1).await;
    }
    cluster.stop().await;
}
