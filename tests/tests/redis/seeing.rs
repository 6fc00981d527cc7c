//! Which servers there are, for those who look on.

use std::time::{Duration, SystemTime};

use channels::backend::Server;
use channels::{ChannelLayer, Config, ConfigBuilder, Emitter};
use channels_tests::probe::Stage;
use channels_tests::redis::{FaultProxy, RedisServer, Way};

use crate::servers::{config, connected, server};

async fn named(config: &ConfigBuilder, name: &str) -> Stage {
    server(&config.clone().server_instance_id(name).build().unwrap()).await
}

/// Waits until a layer tells what is wanted of the servers.
async fn told<T>(layer: &ChannelLayer, within: Duration, wanted: impl Fn(&[Server]) -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        let servers = layer.servers().await.unwrap();
        if let Some(found) = wanted(&servers) {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{servers:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Name and connections of each, this one first.
fn shown(servers: &[Server]) -> Vec<(&str, usize)> {
    servers.iter().map(|server| (&*server.name, server.connections)).collect()
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_is_told_by_name_with_what_it_has_until_it_goes() {
    let redis = RedisServer::start();
    let config = config(&redis.url());
    let before = SystemTime::now() - Duration::from_secs(1);
    let here = named(&config, "berlin").await;
    // Nobody keeps two from having the same name.
    let (there, third) = (named(&config, "oslo").await, named(&config, "oslo").await);
    let _clients = [
        connected(&here, "ada").await,
        connected(&there, "bob").await,
        connected(&third, "cyd").await,
        connected(&third, "dan").await,
    ];
    for (layer, wanted) in [
        (&here.layer, [("berlin", 1), ("oslo", 2), ("oslo", 1)]),
        (&third.layer, [("oslo", 2), ("berlin", 1), ("oslo", 1)]),
    ] {
        told(layer, SOON, |servers| (shown(servers) == wanted).then_some(())).await;
        let servers = layer.servers().await.unwrap();
        assert!(servers[0].is_self && !servers[1].is_self && !servers[2].is_self, "{servers:?}");
        assert!(servers[0].id != servers[1].id && servers[1].id != servers[2].id && servers[0].id != servers[2].id);
        for server in &servers {
            assert!(!server.is_draining && server.silent_for.is_some_and(|silent| silent < SOON), "{server:?}");
            assert!(server.since.is_some_and(|since| (before..=SystemTime::now()).contains(&since)), "{server:?}");
        }
    }
    // Who is no server sees the same, but how long they are silent.
    let emitter = Emitter::connect(&config.clone().build().unwrap()).await.unwrap();
    let servers = emitter.servers().await.unwrap();
    assert_eq!(shown(&servers), [("oslo", 2), ("berlin", 1), ("oslo", 1)]);
    assert!(servers.iter().all(|server| !server.is_self && server.silent_for.is_none()), "{servers:?}");
    emitter.close().await;

    third.layer.drain();
    let drains = |servers: &[Server]| servers.iter().any(|server| server.name == "oslo" && server.is_draining);
    told(&here.layer, SOON, |servers| drains(servers).then_some(())).await;
    third.layer.drained().await;
    told(&here.layer, SOON, |servers| (shown(servers) == [("berlin", 1), ("oslo", 1)]).then_some(())).await;
    assert_eq!(left(&redis), 2, "what it said of itself has gone with it");
}

/// Of how many servers there is something.
fn left(redis: &RedisServer) -> usize {
    let about = redis.command(&["KEYS", "*about"]).list()[0].text();
    redis.command(&["HKEYS", &about]).list().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_an_older_version_is_told_by_its_lease_and_leaves_nothing_behind() {
    let redis = RedisServer::start();
    let config = config(&redis.url());
    let here = named(&config, "berlin").await;
    let key = |name: &str| redis.command(&["KEYS", &format!("*}}{name}")]).list()[0].text();
    // It beats and counts, and has never heard of the hash in which others say who they are.
    redis.command(&["HSET", &key("servers"), "00c0ffee00c0ffee", "1"]);
    redis.command(&["HSET", &key("connections"), "00c0ffee00c0ffee", "7"]);
    // This one was condemned by a server that left there what it had said.
    redis.command(&["HSET", &key("about"), "dead", "oslo\n1\nlive"]);
    let servers = here.layer.servers().await.unwrap();
    assert_eq!(shown(&servers), [("berlin", 0), ("00c0ffee00c0ffee", 7)]);
    assert!(servers[1].since.is_none() && !servers[1].is_draining, "{servers:?}");
    assert_eq!(left(&redis), 2);
    let there = named(&config, "oslo").await;
    assert_eq!(shown(&there.layer.servers().await.unwrap()), [("oslo", 0), ("00c0ffee00c0ffee", 7), ("berlin", 0)]);
    assert_eq!(left(&redis), 2, "berlin's and oslo's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_dead_server_goes_and_comes_back_with_it() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let names = config(&redis.url());
    let here = named(&names, "berlin").await;
    let there = named(&names.clone().redis_url(redis.url_at(proxy.address())), "oslo").await;
    let oslo = |servers: &[Server]| servers.iter().find(|server| server.name == "oslo").cloned();
    let before = told(&here.layer, SOON, oslo).await;
    // For the others it is as if its process were killed.
    proxy.blackhole(Way::ToServer);
    proxy.reset();
    proxy.refuse();
    let silent = |server: &Server| server.silent_for.is_some_and(|silent| silent > Duration::from_secs(12));
    told(&here.layer, Duration::from_secs(60), |servers| oslo(servers).filter(silent)).await;
    told(&here.layer, Duration::from_secs(60), |servers| (shown(servers) == [("berlin", 0)]).then_some(())).await;
    assert_eq!(left(&redis), 1);
    proxy.pass();
    let again = told(&here.layer, Duration::from_secs(60), oslo).await;
    assert!(again.id != before.id && again.since == before.since, "{before:?} {again:?}");
    drop(there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_redis_is_away_nobody_can_tell() {
    let redis = RedisServer::start();
    let config: Config = config(&redis.url()).build().unwrap();
    let here = server(&config).await;
    assert_eq!(here.layer.servers().await.unwrap().len(), 1);
    redis.kill_9();
    assert!(here.layer.servers().await.is_err());
}
