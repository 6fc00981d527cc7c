//! Servers that change their roles: Sentinels and a Cluster.

use std::time::{Duration, Instant, SystemTime};

use channels::backend::Event;
use channels_tests::probe::{ServerMessage, Stage, Text};
use channels_tests::redis::{FaultProxy, RedisCluster, RedisServer, Sentinels, Way, eventually};

use crate::servers::{config, heard, member, say, server, two_servers};

const PROMISED: Duration = Duration::from_secs(5);

/// Says something until both hear it: what is lost while servers change is reported, not sent again.
async fn until_both_hear(from: &mut channels::testing::Client, to: &mut channels::testing::Client, group: &str) {
    let begun = Instant::now();
    for number in 0.. {
        let text = format!("{group} {number}");
        say(from, group, &text).await;
        let heard = tokio::time::timeout(Duration::from_millis(500), async {
            while to.next_message().await.data["text"] != text.as_str() {}
        });
        if heard.await.is_ok() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{group}: nothing is heard");
    }
}

async fn green(stages: [&Stage; 2]) {
    for stage in stages {
        eventually("the backend is connected", || stage.layer.ready().ok()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_master_is_followed() {
    let redis = Sentinels::start(1);
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (mut ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    let mut events = here.layer.events();
    let old = redis.kill_master();
    redis.master_after(old).await;
    let followed = Instant::now();
    green([&here, &there]).await;
    assert!(followed.elapsed() < PROMISED);
    until_both_hear(&mut ada, &mut bob, "rust").await;
    assert!(matches!(events.next().await, Some(Event::Interrupted(_))));
    assert!(matches!(events.next().await, Some(Event::Restored(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hears_late_of_another_master_reports_all_that_it_missed() {
    let redis = Sentinels::start(1);
    let (mut proxies, mut url) = (vec![], redis.url());
    for sentinel in redis.sentinels() {
        let proxy = FaultProxy::start(sentinel.address()).await;
        url = url.replace(&sentinel.address().to_string(), &proxy.address().to_string());
        proxies.push(proxy);
    }
    let names = config(&redis.url());
    let (here, there) =
        (server(&names.clone().build().unwrap()).await, server(&names.redis_url(url).build().unwrap()).await);
    let (mut ada, _bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    let mut events = there.layer.events();
    proxies.iter().for_each(|proxy| proxy.blackhole(Way::Both));
    let (old, new) = (redis.master().address(), redis.failover().await.address());
    assert_ne!(old, new);
    // At the new master, and not heard at the old one, which serves `there` still.
    let mut missed = SystemTime::now();
    while here
        .layer
        .send_to_group("rust", ServerMessage::Said(Text { text: "missed".to_owned() }))
        .await
        .ok()
        .and_then(|sent| sent.servers)
        != Some(1)
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
        missed = SystemTime::now();
    }
    assert_eq!(heard(&mut ada).await, "missed");
    // Long enough for a ping that the old one answers, which proves nothing here.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    proxies.iter().for_each(FaultProxy::pass);
    let Some(Event::Interrupted(begun)) = events.next().await else { panic!("another event") };
    assert!(begun.since <= missed, "{:?} too late", begun.since.duration_since(missed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let redis = RedisCluster::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let groups: Vec<String> = (0..8).map(|number| format!("group-{number}")).collect();
    let mut pairs = vec![];
    for group in &groups {
        pairs.push((member(&here, "ada", group).await, member(&there, "bob", group).await));
    }
    let mut events = here.layer.events();
    let channels: Vec<String> = (redis.nodes().iter())
        .flat_map(|node| node.command(&["PUBSUB", "SHARDCHANNELS", "*g:group-0"]).list().to_vec())
        .map(|channel| channel.text())
        .collect();
    let slot = redis.slot(&channels[0]);
    let owner = redis.owner(slot);
    let moved = SystemTime::now();
    redis.migrate_slot(slot, owner, (owner + 1) % 3);
    for (group, (ada, bob)) in groups.iter().zip(&mut pairs) {
        until_both_hear(ada, bob, group).await;
    }
    green([&here, &there]).await;
    let Some(Event::Interrupted(begun)) = events.next().await else { panic!("another event") };
    assert!(begun.since <= moved, "others may have published there before we were told");
    assert!(matches!(events.next().await, Some(Event::Restored(_))));
    assert_eq!(here.layer.group_len("group-0").await.unwrap(), 2);
}

/// The leases of all servers, by the nodes that have slots.
fn leases(redis: &RedisCluster) -> Vec<String> {
    let keys = |node: &RedisServer| node.command(&["KEYS", "*servers"]).list().to_vec();
    let mut leases: Vec<String> = (redis.nodes().iter())
        .flat_map(|node| keys(node).into_iter().map(move |key| node.command(&["HKEYS", &key.text()])))
        .flat_map(|leases| leases.list().iter().map(|lease| lease.text()).collect::<Vec<_>>())
        .collect();
    leases.sort();
    leases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_costs_no_lease() {
    let redis = RedisCluster::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (mut ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    let before = leases(&redis);
    assert_eq!(before.len(), 2);
    let channels = redis.nodes().iter().map(|node| node.command(&["PUBSUB", "SHARDCHANNELS", "*g:rust"]));
    let channel = channels.flat_map(|channels| channels.list().to_vec()).next().unwrap().text();
    let slot = redis.slot(&channel);
    let owner = redis.owner(slot);
    redis.migrate_slot(slot, owner, (owner + 1) % 3);
    until_both_hear(&mut ada, &mut bob, "rust").await;
    green([&here, &there]).await;
    assert_eq!(leases(&redis), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_lost_is_red_and_comes_back() {
    let redis = RedisCluster::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let groups: Vec<String> = (0..6).map(|number| format!("group-{number}")).collect();
    let mut pairs = vec![];
    for group in &groups {
        pairs.push((member(&here, "ada", group).await, member(&there, "bob", group).await));
    }
    let node = redis.owner(redis.slot("{00}"));
    redis.nodes()[node].kill_9();
    eventually("it is red", || here.layer.ready().err()).await;
    redis.nodes()[node].restart();
    redis.until_ok().await;
    let back = Instant::now();
    green([&here, &there]).await;
    assert!(back.elapsed() < PROMISED);
    for (group, (ada, bob)) in groups.iter().zip(&mut pairs) {
        until_both_hear(ada, bob, group).await;
        say(ada, group, "last").await;
        while heard(bob).await != "last" {}
        while ada.recv::<Text>().await.text != "last" {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_is_followed() {
    let redis = RedisCluster::with_replicas();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (mut ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    let slot = redis.slot(&format!("{{{:02x}}}", 0));
    let old = redis.owner(slot);
    redis.nodes()[old].kill_9();
    redis.owner_after(slot, old).await;
    redis.until_ok().await;
    green([&here, &there]).await;
    until_both_hear(&mut ada, &mut bob, "rust").await;
    assert_eq!(here.layer.group_len("rust").await.unwrap(), 2);
}
