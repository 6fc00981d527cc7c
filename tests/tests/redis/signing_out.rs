//! Connections are ended, and memberships asked about again, while Redis is away: here at once, elsewhere by another try.

use std::time::Duration;

use channels::ChannelLayer;
use channels::testing::Client;
use channels_tests::guarded::{Rights, enter, is_refused};
use channels_tests::redis::{FaultProxy, RedisServer, Way, eventually};

use crate::servers::{config, connected, two_servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_signed_out_while_redis_is_away_is_closed_here_and_by_another_try_everywhere() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let mut ada = [connected(&here, "ada").await, connected(&here, "ada").await, connected(&there, "ada").await];
    let mut bob = connected(&here, "bob").await;
    redis.kill_9();
    let kept = ada[1].connection().id();
    let error = here.layer.close_user_except("ada", kept, "signed out elsewhere").await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(ada[0].closed().await.text(), "signed out elsewhere");
    ada[1].assert_silent().await;
    here.layer.close_user("ada", "signed out").await.unwrap_err();
    assert_eq!(ada[1].closed().await.text(), "signed out");
    here.layer.close_connection(bob.connection().id(), "gone").await.unwrap_err();
    assert_eq!(bob.closed().await.text(), "gone");
    ada[2].assert_silent().await;
    redis.restart();
    eventually("the backends are connected", || Some((here.layer.ready().ok()?, there.layer.ready().ok()?))).await;
    here.layer.close_user("ada", "signed out, again").await.unwrap();
    assert_eq!(ada[2].closed().await.text(), "signed out, again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_again_while_it_is_waited_for_stays() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let (here, _there) = two_servers(&config(&redis.url_at(proxy.address())).build().unwrap()).await;
    let mut before = connected(&here, "ada").await;
    proxy.blackhole(Way::Both);
    let layer = here.layer.clone();
    // Whoever asks gives up before the backend does.
    let asked = tokio::spawn(async move {
        tokio::time::timeout(Duration::from_millis(500), layer.close_user("ada", "signed out")).await.is_err()
    });
    let mut after = here.connect("ada").await;
    assert!(asked.await.unwrap(), "nobody answers");
    assert_eq!(before.closed().await.text(), "signed out");
    after.assert_silent().await;
    proxy.pass();
    eventually("the backend is connected", || here.layer.ready().ok()).await;
    after.assert_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_be_there_any_more_is_taken_out_here_while_redis_is_away() {
    let redis = RedisServer::start();
    let layer = ChannelLayer::connect(config(&redis.url()).build().unwrap()).await.unwrap();
    let rights = Rights::new(&["ada/rust", "ada/axum", "bob/rust"]);
    let (ada, bob) = (enter(&layer, &rights, "ada").await, enter(&layer, &rights, "bob").await);
    for (window, group) in [(&ada, "rust"), (&ada, "axum"), (&bob, "rust")] {
        window.connection().join(group).await.unwrap();
    }
    redis.kill_9();
    rights.take("ada/rust");
    layer.recheck_user("ada").await.unwrap_err();
    eventually("Ada is out", || (ada.connection().groups() == ["axum"]).then_some(())).await;
    rights.take("bob/rust");
    layer.recheck_group("rust").await.unwrap_err();
    eventually("Bob is out", || bob.connection().groups().is_empty().then_some(())).await;
}

/// Its subscription has just been cut, which it may not have noticed yet. What it sends goes by another connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_subscription_was_cut_closes_its_own() {
    let redis = RedisServer::start();
    let (here, _there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    for round in 0..3 {
        let mut ada = connected(&here, "ada").await;
        redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        here.layer.close_user("ada", format!("signed out, {round}")).await.unwrap();
        assert_eq!(ada.closed().await.text(), format!("signed out, {round}"));
        eventually("the backend is connected", || here.layer.ready().ok()).await;
    }
}

/// Nobody waits any more for a group that has no member left; whoever waited is told what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_while_its_join_waits_for_redis_has_joined_and_left_or_was_taken_out() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let layer = ChannelLayer::connect(config(&redis.url_at(proxy.address())).build().unwrap()).await.unwrap();
    let rights = Rights::new(&["ada/rust", "bob/axum"]);
    let (ada, bob) = (enter(&layer, &rights, "ada").await, enter(&layer, &rights, "bob").await);
    proxy.blackhole(Way::Both);
    let join = |client: &Client, group: &'static str| {
        let conn = client.connection().clone();
        tokio::spawn(async move { conn.join(group).await })
    };
    let (of_ada, of_bob) = (join(&ada, "rust"), join(&bob, "axum"));
    eventually("they wait", || (ada.connection().is_in("rust") && bob.connection().is_in("axum")).then_some(())).await;
    rights.take("bob/axum");
    assert_eq!(bob.connection().recheck().await, ["axum"]);
    assert!(ada.connection().leave("rust"));
    assert!(of_ada.await.unwrap().unwrap());
    assert!(is_refused(&of_bob.await.unwrap()));
    assert_eq!(layer.stats().refused_joins, 1);
    proxy.pass();
}
