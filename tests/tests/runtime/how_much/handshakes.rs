//! Requests for connections, over time.

use std::net::IpAddr;
use std::time::Duration;

use channels::ChannelLayer;
use channels_tests::cluster;

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

#[tokio::test(start_paused = true)]
async fn too_many_requests_of_an_address_are_429_and_say_when() {
    let limit = LimitName::HandshakesPerAddress;
    let stage = stage(&[("WS_HANDSHAKES_PER_ADDRESS", "2/10s")]);
    let connect = |user: &str| stage.connecting(user).address(ADDRESS);
    drop(connect("ada").await.unwrap());
    // Also one that nothing comes of.
    assert_eq!(connect("%0A").await.unwrap_err().status(), 400);
    let refused = connect("bob").await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.header("retry-after")), (429, Some("5")));
    let body: serde_json::Value = serde_json::from_str(refused.body()).unwrap();
    assert_eq!((&body["error_code"], &body["retry_after_ms"]), (&"RATE_LIMIT_EXCEEDED".into(), &5000.into()));
    assert_eq!((counted(&stage, limit), stage.layer.stats().refused), ((1, 0), 1));
    stage.connecting("bob").address([203, 0, 113, 8]).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    connect("bob").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_swept_though_nobody_ever_gets_in() {
    let stage = stage(&[("WS_HANDSHAKES_PER_ADDRESS", "2/10s")]);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    assert_eq!(stage.connecting("%0A").address(ADDRESS).await.unwrap_err().status(), 400);
    assert!(tasks() > before, "the heartbeat, which sweeps");
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_of_a_user_are_429() {
    let limit = LimitName::HandshakesPerUser;
    let stage = stage(&[("WS_HANDSHAKES_PER_USER", "2/10s")]);
    for _ in 0..2 {
        drop(stage.connect("ada").await);
    }
    let refused = stage.try_connect("ada").await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.header("retry-after")), (429, Some("5")));
    assert_eq!(counted(&stage, limit), (1, 0));
    for _ in 0..5 {
        // Nobody's requests are no user's.
        stage.connect("-").await;
    }
    stage.connect("bob").await;
}

#[tokio::test(start_paused = true)]
async fn handshakes_are_observed() {
    let limit = LimitName::HandshakesPerAddress;
    let by_address = observing(limit, "WS_HANDSHAKES_PER_ADDRESS", "1/1h");
    for _ in 0..3 {
        by_address.connecting("ada").address(ADDRESS).await.unwrap();
    }
    assert_eq!((counted(&by_address, limit), by_address.layer.stats().refused), ((0, 2), 0));

    let limit = LimitName::HandshakesPerUser;
    let by_user = observing(limit, "WS_HANDSHAKES_PER_USER", "1/1h");
    for _ in 0..3 {
        by_user.connect("ada").await;
    }
    assert_eq!(counted(&by_user, limit), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn servers_count_handshakes_together() {
    let vars = [("WS_HANDSHAKES_PER_ADDRESS", "3/1h"), ("WS_HANDSHAKES_PER_USER", "3/1h")];
    let mut stages = Vec::new();
    for node in cluster::nodes(2) {
        let config = Config::builder().vars(vars).unwrap().build().unwrap();
        let layer = ChannelLayer::builder(config).backend(node).connect().await.unwrap();
        stages.push(Stage::over(World::default(), layer));
    }
    for number in 0..3 {
        stages[number % 2].connecting("ada").address(ADDRESS).await.unwrap();
    }
    for stage in &stages {
        assert_eq!(stage.connecting("bob").address(ADDRESS).await.unwrap_err().status(), 429);
        assert_eq!(stage.try_connect("ada").await.unwrap_err().status(), 429);
    }
}
