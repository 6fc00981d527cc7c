//! What holds over several servers.

use std::time::Duration;

use channels::backend::Counts;
use channels::{ChannelLayer, CloseCode, CloseReason, Emitter, UserId};
use channels_tests::guarded::{Rights, Unguarded, enter, enter_by, is_refused};
use channels_tests::probe::ServerMessage::Said;
use channels_tests::probe::{Group, Text};
use channels_tests::redis::{FaultProxy, RedisServer, Way, eventually};

use crate::servers::{config, connected, heard, member, say, server, two_servers};

fn said(text: &str) -> channels_tests::probe::ServerMessage {
    Said(Text { text: text.to_owned() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_on_two_servers_hear_each_other_and_themselves() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (mut ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    say(&mut ada, "rust", "hi").await;
    assert_eq!((heard(&mut ada).await.as_str(), heard(&mut bob).await.as_str()), ("hi", "hi"));
    let receipt = there.layer.send_to_group_except("rust", ada.connection().id(), said("all but ada")).await.unwrap();
    assert_eq!((receipt.local, receipt.servers), (1, Some(2)));
    assert_eq!(heard(&mut bob).await, "all but ada");
    ada.assert_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_a_connection_and_everybody_are_reached_from_another_server() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let mut ada = [connected(&here, "ada").await, connected(&there, "ada").await];
    let mut bob = connected(&there, "bob").await;
    here.layer.send_to_user("ada", said("both windows")).await.unwrap();
    for window in &mut ada {
        assert_eq!(heard(window).await, "both windows");
    }
    here.layer.send_to_connection(bob.connection().id(), said("only bob")).await.unwrap();
    assert_eq!(heard(&mut bob).await, "only bob");
    let receipt = there.layer.broadcast(said("all")).await.unwrap();
    assert_eq!(receipt.servers, Some(2));
    for client in ada.iter_mut().chain([&mut bob]) {
        assert_eq!(heard(client).await, "all");
        client.assert_silent().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_closed_on_all_servers_behind_what_was_sent_before() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let mut ada = [connected(&here, "ada").await, connected(&here, "ada").await, connected(&there, "ada").await];
    let mut bob = [connected(&here, "bob").await, connected(&there, "bob").await];
    here.layer.send_to_user("ada", said("last words")).await.unwrap();
    let receipt = here.layer.close_user("ada", "signed out").await.unwrap();
    assert_eq!((receipt.local, receipt.servers), (2, Some(2)));
    for window in &mut ada {
        assert_eq!(heard(window).await, "last words");
        let end = window.closed().await;
        assert_eq!((end.code().as_u16(), end.text()), (4501, "signed out"));
    }
    // Over the other server, by its id, with another code.
    let why = CloseReason::server(CloseCode::POLICY_VIOLATION, "banned");
    here.layer.close_connection(bob[1].connection().id(), why).await.unwrap();
    assert_eq!(bob[1].closed().await.code(), CloseCode::POLICY_VIOLATION);
    bob[0].assert_silent().await;
    let mut windows = [connected(&here, "eve").await, connected(&there, "eve").await];
    there.layer.close_user_except("eve", windows[1].connection().id(), "elsewhere").await.unwrap();
    assert_eq!(windows[0].closed().await.text(), "elsewhere");
    windows[1].assert_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_be_there_any_more_is_taken_out_on_all_servers() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let rights = Rights::new(&["ada/rust", "ada/axum", "bob/rust"]);
    let layers =
        [ChannelLayer::connect(config.clone()).await.unwrap(), ChannelLayer::connect(config.clone()).await.unwrap()];
    let ada = [enter(&layers[0], &rights, "ada").await, enter(&layers[1], &rights, "ada").await];
    let bob = enter(&layers[1], &rights, "bob").await;
    for (window, group) in [(&ada[0], "rust"), (&ada[0], "axum"), (&ada[1], "rust"), (&bob, "rust")] {
        window.connection().join(group).await.unwrap();
    }
    assert!(is_refused(&bob.connection().join("axum").await));
    rights.take("ada/rust");
    assert_eq!(layers[0].recheck_user("ada").await.unwrap().servers, Some(2));
    let members = |group: &'static str| layers.iter().map(|layer| layer.registry().group_len(group)).sum::<usize>();
    eventually("Bob alone is in the room", || (members("rust") == 1).then_some(())).await;
    assert_eq!((ada[0].connection().groups(), ada[1].connection().groups()), (vec!["axum".to_owned()], vec![]));
    rights.take("bob/rust");
    let emitter = Emitter::connect(&config).await.unwrap();
    emitter.recheck_group("rust").await.unwrap();
    eventually("the room is empty", || (members("rust") == 0).then_some(())).await;
    rights.take("ada/axum");
    emitter.recheck_user("ada").await.unwrap();
    eventually("nobody is anywhere", || (members("axum") == 0).then_some(())).await;
}

/// A consumer without a hook of its own, on layers that have one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_asks_the_hook_of_its_layer() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let rights = Rights::new(&["ada/rust", "bob/rust"]);
    let layer = async || rights.layer(config.clone()).connect().await.unwrap();
    let layers = [layer().await, layer().await];
    let ada = enter_by::<Unguarded>(&layers[0], &rights, "ada").await;
    let bob = enter_by::<Unguarded>(&layers[1], &rights, "bob").await;
    for client in [&ada, &bob] {
        assert!(client.connection().join("rust").await.unwrap());
        assert!(is_refused(&client.connection().join("axum").await));
    }
    rights.take("ada/rust");
    assert_eq!(layers[1].recheck_group("rust").await.unwrap().servers, Some(2));
    eventually("Ada is out", || (!ada.connection().is_in("rust")).then_some(())).await;
    assert!(bob.connection().is_in("rust"));
    let emitter = Emitter::connect(&config).await.unwrap();
    rights.take("bob/rust");
    emitter.recheck_user("bob").await.unwrap();
    eventually("Bob is out", || (!bob.connection().is_in("rust")).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_of_all_servers_see_one_order() {
    const EACH: usize = 200;
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let mut members = vec![];
    for (stage, user) in [(&here, "a"), (&here, "b"), (&there, "c"), (&there, "d")] {
        members.push(member(stage, user, "rust").await);
    }
    let publish = async |layer: &ChannelLayer, name: &str| {
        for number in 0..EACH {
            layer.send_to_group("rust", said(&format!("{name}{number}"))).await.unwrap();
        }
    };
    tokio::join!(publish(&here.layer, "h"), publish(&there.layer, "t"));
    let mut orders = vec![];
    for client in &mut members {
        let mut order = vec![];
        for _ in 0..2 * EACH {
            order.push(heard(client).await);
        }
        for name in ["h", "t"] {
            let of_one: Vec<_> = order.iter().filter(|text| text.starts_with(name)).cloned().collect();
            assert_eq!(of_one, (0..EACH).map(|number| format!("{name}{number}")).collect::<Vec<_>>());
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_those_of_all_servers() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let (here, there) = two_servers(&config).await;
    let ada = UserId::new("ada").unwrap();
    let mut first = member(&here, "ada", "rust").await;
    let second = member(&there, "ada", "rust").await;
    let bob = member(&there, "bob", "rust").await;
    for stage in [&here, &there] {
        let layer = &stage.layer;
        counts(layer, 2, 3, 2).await;
        members(layer, "rust", 3).await;
        assert_eq!(layer.user_len(&ada).await.unwrap(), 2);
        assert_eq!(layer.group_len("nobody's").await.unwrap(), 0);
    }
    first.send("leave", &Group { group: "rust".to_owned() }).await;
    drop(bob);
    members(&there.layer, "rust", 1).await;
    counts(&here.layer, 2, 2, 1).await;
    let third = server(&config).await;
    counts(&here.layer, 3, 2, 1).await;
    third.layer.drain();
    third.layer.drained().await;
    counts(&here.layer, 2, 2, 1).await;
    drop((first, second));
    counts(&there.layer, 2, 0, 0).await;
    eventually("nothing is left of a group without members", || {
        let left = redis.command(&["KEYS", "*n:g:rust"]);
        left.list().is_empty().then_some(())
    })
    .await;
}

async fn counts(layer: &ChannelLayer, servers: usize, connections: usize, users: usize) {
    let expected = Counts { servers, connections, users };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let counts = layer.counts().await.unwrap();
        if counts == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{counts:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn members(layer: &ChannelLayer, group: &str, expected: usize) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let members = layer.group_len(group).await.unwrap();
        if members == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{members} members instead of {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// So far from Redis that its heartbeat comes while it says goodbye.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_stopped_is_none_any_more_and_leaves_nothing() {
    const AWAY: Duration = Duration::from_millis(50);
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let config = config(&redis.url()).redis_registry_expiry(Duration::from_secs(2));
    let here = server(&config.clone().build().unwrap()).await;
    let there = server(&config.redis_url(redis.url_at(proxy.address())).build().unwrap()).await;
    let mut clients = Vec::new();
    for number in 0..5 {
        clients.push(member(&there, &format!("user-{number}"), &format!("group-{number}")).await);
    }
    eventually("all is written", || (redis.command(&["KEYS", "*n:?:*"]).list().len() == 10).then_some(())).await;
    assert_eq!(here.layer.servers().await.unwrap().len(), 2);
    proxy.delay(Way::ToClient, AWAY);
    there.layer.drained().await;
    let left = here.layer.servers().await.unwrap();
    assert!(left.len() == 1 && left[0].is_self, "{left:?}");
    for of_the_gone in ["*n:?:*", "*held:*", "*condemned", "*cleaning:*"] {
        let keys = redis.command(&["KEYS", of_the_gone]);
        assert!(keys.list().is_empty(), "{keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_rates_hold_over_servers() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).max_connections_per_client(2).max_total_connections(4).build().unwrap();
    let (here, there) = two_servers(&config).await;
    let mut ada = [connected(&here, "ada").await, connected(&there, "ada").await];
    assert_eq!(here.try_connect("ada").await.unwrap_err().status(), 429);
    assert_eq!(there.try_connect("ada").await.unwrap_err().status(), 429);
    for number in 0..3 {
        let client = &mut ada[number % 2];
        client.send("limited", &()).await;
        assert_eq!(client.recv::<Text>().await.text, "passed");
    }
    for client in &mut ada {
        client.send("limited", &()).await;
        assert_eq!(client.next_message().await.data["error_code"], "RATE_LIMIT_EXCEEDED");
    }
    let _others = [connected(&here, "bob").await, connected(&there, "cyd").await];
    assert_eq!(here.try_connect("dan").await.unwrap_err().status(), 503);
    assert_eq!(there.try_connect("-").await.unwrap_err().status(), 503);
    drop(ada);
    let again = async {
        while there.try_connect("dan").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("the places are free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_with_another_prefix_or_database_do_not_meet() {
    let redis = RedisServer::start();
    let first = config(&redis.url()).build().unwrap();
    let other_database = config(&format!("{}/5", redis.url().trim_end_matches("/0").trim_end_matches('/')))
        .redis_channel_prefix(first.redis_channel_prefix())
        .build()
        .unwrap();
    let other_prefix = config(&redis.url()).build().unwrap();
    let here = server(&first).await;
    let mut ada = member(&here, "ada", "rust").await;
    for stranger in [server(&other_database).await, server(&other_prefix).await] {
        assert_eq!(stranger.layer.send_to_group("rust", said("stranger")).await.unwrap().servers, Some(0));
        stranger.layer.broadcast(said("stranger")).await.unwrap();
        assert_eq!(stranger.layer.counts().await.unwrap().servers, 1);
    }
    ada.assert_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_taken_for_dead_gives_up_what_others_have_taken() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).max_connections_per_client(1).build().unwrap();
    let here = server(&config).await;
    let servers = redis.command(&["KEYS", "*servers"]).list()[0].text();
    let lease = redis.command(&["HKEYS", &servers]).list()[0].text();
    let there = server(&config).await;
    // Many names, since the last to be written has waited the longest.
    let mut all = vec![];
    for number in 0..50 {
        all.push(connected(&here, &format!("user-{number}")).await);
    }
    eventually("all are written", || (redis.command(&["KEYS", "*n:u:user-*"]).list().len() == all.len()).then_some(()))
        .await;
    // What the others do to a server that stood still for too long.
    redis.command(&["HDEL", &servers, &lease]);
    for key in redis.command(&["KEYS", "*n:u:user-*"]).list() {
        redis.command(&["DEL", &key.text()]);
    }
    let mut others = vec![];
    for number in 0..all.len() {
        others.push(connected(&there, &format!("user-{number}")).await);
    }
    for client in &mut all {
        assert_eq!(client.closed().await.code().as_u16(), 1013);
    }
    for client in &mut others {
        client.request(0, "quiet", &()).await;
        assert_eq!(client.next_message().await.name, "$ok", "they stay");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_group_loses_nobody() {
    const EXPIRY: Duration = Duration::from_secs(2);
    let redis = RedisServer::start();
    let config =
        config(&redis.url()).redis_group_expiry(EXPIRY).redis_registry_expiry(EXPIRY).max_connections_per_client(1);
    let (here, there) = two_servers(&config.build().unwrap()).await;
    let (_ada, _bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    // What expires in Redis does so by its own clock: nothing here can be paused.
    tokio::time::sleep(3 * EXPIRY).await;
    for stage in [&here, &there] {
        members(&stage.layer, "rust", 2).await;
        counts(&stage.layer, 2, 2, 2).await;
        assert_eq!(stage.try_connect("ada").await.unwrap_err().status(), 429);
    }
}
