//! Whose address counts, as a consumer and its limits see it.

use std::net::IpAddr;

use super::*;

const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

#[tokio::test(start_paused = true)]
async fn a_trusted_proxy_says_who_the_client_is_and_nobody_else_does() {
    let stage = stage(&[("WS_TRUSTED_PROXIES", "10.0.0.0/8")]);
    let seen = async |address: IpAddr| {
        let client = stage.connecting("ada").header("x-forwarded-for", "6.6.6.6, 198.51.100.1").address(address);
        client.await.unwrap().connection().ip().unwrap().to_string()
    };
    assert_eq!(seen(PROXY).await, "198.51.100.1");
    assert_eq!(seen("203.0.113.9".parse().unwrap()).await, "203.0.113.9");
    assert_eq!(seen("::ffff:203.0.113.9".parse().unwrap()).await, "203.0.113.9");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_trusted_unless_it_is_said() {
    let stage = stage(&[]);
    let client = stage.connecting("ada").header("x-forwarded-for", "6.6.6.6").address(PROXY).await.unwrap();
    assert_eq!(client.connection().ip(), Some(PROXY));
    let unknown = stage.connecting("ada").header("x-forwarded-for", "6.6.6.6").await.unwrap();
    assert_eq!(unknown.connection().ip(), None);
}

#[tokio::test(start_paused = true)]
async fn who_makes_addresses_up_stays_at_its_own() {
    let limits = [("WS_TRUSTED_PROXIES", "10.0.0.0/8"), ("WS_CONNECTIONS_PER_ADDRESS", "1")];
    let stage = stage(&limits);
    let through = |header: String| stage.connecting("ada").header("x-forwarded-for", &header).address(PROXY);
    let _first = through("198.51.100.1".into()).await.unwrap();
    for forged in ["7.7.7.7", "10.9.9.9", "unknown", "127.0.0.1, ::1"] {
        let refused = through(format!("{forged}, 198.51.100.1")).await.unwrap_err();
        assert_eq!(refused.status(), 429, "{forged}");
    }
    through("198.51.100.2".into()).await.unwrap();
}
