//! What happens where there are several Redis processes.

use std::time::Duration;

use channels_tests::redis::{FaultProxy, NODES, RedisCluster, SLOTS, Sentinels, Way};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::two;
use crate::report::Report;
use crate::run::{Form, Run, Setting};

/// Time between two migrations.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// How many busy slots move in the short form.
const A_FEW: usize = 6;

/// What looks for an event by blocking commands, without holding up the clients.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(future))
}

/// The master dies, and its replica takes over.
pub(super) async fn master_killed(fault: &'static str, setting: &Setting) -> Report {
    let sentinels = block_in_place(|| Sentinels::start(1));
    let mut run = Run::start(setting, fault, &two(sentinels.url())).await;
    run.deafens(&[0, 1]);
    let old = block_in_place(|| sentinels.kill_master());
    block_on(sentinels.master_after(old));
    run.is_back();
    run.finish().await
}

/// A replica is told to take over, while all live.
pub(super) async fn failover(fault: &'static str, setting: &Setting) -> Report {
    let sentinels = block_in_place(|| Sentinels::start(1));
    let mut run = Run::start(setting, fault, &two(sentinels.url())).await;
    for _ in 0..setting.form.seconds(1, 2).as_secs() {
        run.begins();
        run.splits();
        block_on(sentinels.failover());
        run.is_back();
        run.recover().await;
    }
    run.finish().await
}

/// A replica takes over, and one server hears of it late: for a while the old master serves it still.
pub(super) async fn failover_unheard(fault: &'static str, setting: &Setting) -> Report {
    let sentinels = block_in_place(|| Sentinels::start(1));
    let (mut proxies, mut url) = (Vec::new(), sentinels.url());
    for sentinel in sentinels.sentinels() {
        let proxy = FaultProxy::start(sentinel.address()).await;
        url = url.replace(&sentinel.address().to_string(), &proxy.address().to_string());
        proxies.push(proxy);
    }
    let mut run = Run::start(setting, fault, &[sentinels.url(), url]).await;
    run.begins();
    run.splits();
    proxies.iter().for_each(|proxy| proxy.blackhole(Way::Both));
    block_on(sentinels.failover());
    sleep(setting.form.seconds(3, 6)).await;
    proxies.iter().for_each(FaultProxy::pass);
    run.is_back();
    run.finish().await
}

/// The slots of busy topics move to another node.
pub(super) async fn slots_move(fault: &'static str, setting: &Setting) -> Report {
    let cluster = block_in_place(RedisCluster::start);
    let mut run = Run::start(setting, fault, &two(cluster.url())).await;
    run.begins();
    let slots = block_in_place(|| busy_slots(&cluster, 0));
    assert!(!slots.is_empty(), "nobody subscribed at the first node");
    let some = if setting.form == Form::Long { SLOTS.into() } else { A_FEW };
    for (number, slot) in slots.into_iter().take(some).enumerate() {
        block_in_place(|| cluster.migrate_slot(slot, 0, 1 + number % (NODES - 1)));
        sleep(AGAIN_AFTER).await;
    }
    run.is_back();
    run.finish().await
}

/// Only the new node is told that it has the slots; the others hear of it from each other.
pub(super) async fn slots_gossiped(fault: &'static str, setting: &Setting) -> Report {
    let cluster = block_in_place(RedisCluster::start);
    let mut run = Run::start(setting, fault, &two(cluster.url())).await;
    run.begins();
    for slot in block_in_place(|| busy_slots(&cluster, 0)).into_iter().take(A_FEW) {
        block_in_place(|| cluster.begin_migration(slot, 0, 1));
        block_in_place(|| cluster.move_keys(slot, 0, 1));
        let id = block_in_place(|| cluster.nodes()[1].command(&["CLUSTER", "MYID"])).text();
        block_in_place(|| cluster.nodes()[1].command(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]));
        block_on(cluster.owner_after(slot, 0));
        sleep(AGAIN_AFTER).await;
    }
    run.is_back();
    run.finish().await
}

fn busy_slots(cluster: &RedisCluster, node: usize) -> Vec<u16> {
    let channels = cluster.nodes()[node].command(&["PUBSUB", "SHARDCHANNELS"]);
    let mut slots: Vec<_> = channels.list().iter().map(|channel| cluster.slot(&channel.text())).collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// A node dies, and its replica takes over.
pub(super) async fn node_replaced(fault: &'static str, setting: &Setting) -> Report {
    let cluster = block_in_place(RedisCluster::with_replicas);
    let mut run = Run::start(setting, fault, &two(cluster.url())).await;
    run.deafens(&[0, 1]);
    let slot = block_in_place(|| busy_slots(&cluster, 1)[0]);
    block_in_place(|| cluster.nodes()[1].kill_9());
    block_on(cluster.owner_after(slot, 1));
    run.is_back();
    run.finish().await
}

/// A node dies that nobody replaces, and comes back.
pub(super) async fn node_back(fault: &'static str, setting: &Setting) -> Report {
    let cluster = block_in_place(RedisCluster::start);
    let mut run = Run::start(setting, fault, &two(cluster.url())).await;
    run.deafens(&[0, 1]);
    block_in_place(|| cluster.nodes()[1].kill_9());
    sleep(setting.form.seconds(4, 10)).await;
    block_in_place(|| cluster.nodes()[1].restart());
    block_on(cluster.until_ok());
    run.is_back();
    run.finish().await
}
