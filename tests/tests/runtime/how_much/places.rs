//! Connections at a time.

use std::net::IpAddr;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn too_many_of_an_address_are_429_until_one_leaves() {
    let stage = stage(&[("WS_CONNECTIONS_PER_ADDRESS", "2")]);
    let connect = |from: &str| stage.connecting("-").address(address(from));
    let (ada, _bob) = (connect("203.0.113.7").await.unwrap(), connect("::ffff:203.0.113.7").await.unwrap());
    let refused = connect("203.0.113.7").await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.header("retry-after")), (429, Some("5")));
    let body: serde_json::Value = serde_json::from_str(refused.body()).unwrap();
    assert_eq!((&body["error_code"], &body["retryable"]), (&"CONNECTION_LIMIT_EXCEEDED".into(), &true.into()));
    assert_eq!(counted(&stage, LimitName::ConnectionsPerAddress), (1, 0));
    assert_eq!(stage.layer.stats().refused, 1);
    let _other = connect("203.0.113.8").await.unwrap();
    let _nobody = stage.connect("-").await;
    drop(ada);
    stage.until(|_| stage.layer.registry().connection_count() == 3).await;
    connect("203.0.113.7").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_network_of_ipv6_is_one_address() {
    let stage = stage(&[("WS_CONNECTIONS_PER_ADDRESS", "1")]);
    let connect = |from: &str| stage.connecting("-").address(address(from));
    let _one = connect("2001:db8:1:2::1").await.unwrap();
    assert_eq!(connect("2001:db8:1:2:dead:beef::1").await.unwrap_err().status(), 429);
    connect("2001:db8:1:3::1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_failed_connection_keeps_no_place() {
    let stage = stage(&[("WS_CONNECTIONS_PER_ADDRESS", "1"), ("MAX_CONNECTIONS_PER_CLIENT", "1")]);
    let elsewhere = stage.connecting("ada").address(address("203.0.113.8")).await.unwrap();
    for _ in 0..3 {
        let refused = stage.connecting("ada").address(address("203.0.113.7")).await.unwrap_err();
        assert!(refused.body().contains("You have too many"), "{refused}");
    }
    assert_eq!(counted(&stage, LimitName::ConnectionsPerAddress), (0, 0));
    drop(elsewhere);
    stage.empty().await;
    stage.connecting("ada").address(address("203.0.113.7")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_of_an_address_are_observed() {
    let limit = LimitName::ConnectionsPerAddress;
    let stage = observing(limit, "WS_CONNECTIONS_PER_ADDRESS", "1");
    let mut inside = Vec::new();
    for _ in 0..4 {
        inside.push(stage.connecting("-").address(address("203.0.113.7")).await.unwrap());
    }
    assert_eq!((counted(&stage, limit), stage.layer.stats().refused), ((0, 3), 0));
    drop(inside);
    stage.empty().await;
    let _again = stage.connecting("-").address(address("203.0.113.7")).await.unwrap();
    assert_eq!(counted(&stage, limit), (0, 3), "those that were only observed have left too");
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_user_are_refused_or_observed() {
    let limit = LimitName::ConnectionsPerUser;
    let refusing = stage(&[("MAX_CONNECTIONS_PER_CLIENT", "1")]);
    let _ada = refusing.connect("ada").await;
    let refused = refusing.try_connect("ada").await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.header("retry-after")), (429, Some("5")));
    assert_eq!(counted(&refusing, limit), (1, 0));

    let observing = observing(limit, "MAX_CONNECTIONS_PER_CLIENT", "1");
    let inside = [observing.connect("ada").await, observing.connect("ada").await, observing.connect("ada").await];
    assert_eq!(counted(&observing, limit), (0, 2));
    drop(inside);
    observing.empty().await;
}
