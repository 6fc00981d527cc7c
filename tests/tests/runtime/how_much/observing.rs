//! What only looks on: handlers' own limits, and the log.

use std::time::Duration;

use channels::middleware::RateLimit;
use channels::prelude::*;
use channels::testing;
use channels_tests::frame::Frame;
use channels_tests::logs::Logs;
use channels_tests::pipe;
use channels_tests::socket::{Running, Socket};
use channels_tests::transports::app;
use channels_tests::watched::Watched;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::*;

#[tokio::test(start_paused = true)]
async fn limits_of_handlers_are_observed() {
    for name in ["limited", "limited_here"] {
        let stage = stage(&[("WS_OBSERVE_ONLY", "rate_limits")]);
        let mut ada = stage.connect("ada").await;
        for _ in 0..5 {
            ada.request(1, name, &json!({})).await;
            assert_eq!(ada.next_message().await.name, "said", "{name}");
        }
        assert_eq!(counted(&stage, LimitName::RateLimits), (0, 2), "{name}");
    }
    let refusing = stage(&[]);
    let mut ada = refusing.connect("ada").await;
    for name in ["said", "said", "said", "error"] {
        ada.request(1, "limited", &json!({})).await;
        assert_eq!(ada.next_message().await.name, name);
    }
    assert_eq!(counted(&refusing, LimitName::RateLimits), (1, 0));
}

/// The limits for which every request and message asks the backend.
const ASKED_OF_THE_BACKEND: [LimitName; 3] =
    [LimitName::HandshakesPerAddress, LimitName::HandshakesPerUser, LimitName::RateLimits];

#[tokio::test(start_paused = true)]
async fn what_only_looks_on_lets_in_whom_it_cannot_see() {
    let limits = || Config::builder().vars([("WS_HANDSHAKES_PER_ADDRESS", "1/1h"), ("WS_HANDSHAKES_PER_USER", "1/1h")]);
    for observed in [vec![], ASKED_OF_THE_BACKEND.to_vec()] {
        let is_observed = !observed.is_empty();
        let watched = Watched::default();
        let config = limits().unwrap().observe_only(observed).build().unwrap();
        let stage = Stage::over(World::default(), watched.layer_with(config).await);
        let mut ada = stage.connecting("ada").address([203, 0, 113, 7]).await.unwrap();
        watched.loses_rates();
        for _ in 0..5 {
            ada.request(1, "limited", &json!({})).await;
            let answer = ada.next_message().await;
            let error_code = if is_observed { json!(null) } else { json!("BACKEND_ERROR") };
            assert_eq!(answer.data["error_code"], error_code, "{answer:?}");
        }
        // By their address only, by their user only, and by both.
        for connecting in [
            stage.connecting("-").address([203, 0, 113, 8]),
            stage.connecting("bob"),
            stage.connecting("ada").address([203, 0, 113, 7]),
        ] {
            let status = connecting.await.err().map(|refused| refused.status().as_u16());
            assert_eq!(status, (!is_observed).then_some(503));
        }
        let stats = stage.layer.stats();
        assert_eq!(stats.refused_for_backend, if is_observed { 0 } else { 3 });
        for limit in ASKED_OF_THE_BACKEND {
            assert_eq!(counted(&stage, limit), (0, 0), "{limit}: nobody can tell who was too many");
        }
    }
}

#[derive(Debug, Incoming)]
enum Ask {
    Observed,
    Refused,
}

#[derive(Default)]
struct Strict;

#[consumer(incoming = Ask)]
impl Strict {
    #[on("observed")]
    #[rate_limit(1, per = "1h", observe_only)]
    fn observed(&self) {}

    #[on("refused")]
    #[rate_limit(1, per = "1h")]
    fn refused(&self) {}
}

#[tokio::test(start_paused = true)]
async fn one_handlers_limit_can_be_observed_beside_others() {
    let layer = ChannelLayer::memory();
    let mut client = testing::connect::<Strict>(&layer, ()).await.unwrap();
    for (ask, name) in [("observed", "$ok"), ("refused", "$ok"), ("observed", "$ok"), ("refused", "error")] {
        client.request(1, ask, &json!({})).await;
        assert_eq!(client.next_message().await.name, name, "{ask}");
    }
    let stats = layer.stats();
    assert_eq!((stats.refused_by(LimitName::RateLimits), stats.observed(LimitName::RateLimits)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_middlewares_limit_can_be_observed() {
    let layer = ChannelLayer::memory();
    let limit = RateLimit::new("1/1h".parse().unwrap()).observe_only();
    let app: axum::Router = axum::Router::new().route("/", layer.serve::<Strict>().middleware(limit).into_route());
    let mut client = testing::connect_to(&app).await.unwrap();
    for ask in ["observed", "refused"] {
        client.request(1, ask, &json!({})).await;
        assert_eq!(client.next_message().await.name, "$ok", "{ask}");
    }
    assert_eq!(layer.stats().observed(LimitName::RateLimits), 1);
}

#[tokio::test(start_paused = true)]
async fn the_log_has_a_line_a_second_for_each_limit_that_looks_on() {
    let stage = observing(LimitName::FramesPerConnection, "WS_FRAMES_PER_CONNECTION", "1/1h");
    let mut ada = stage.connect("ada").await;
    let logs = Logs::listen();
    let lines = || logs.with("limit", "frames_per_connection");
    for _ in 0..2 {
        for _ in 0..101 {
            ada.request(1, "quiet", &json!({})).await;
            ada.next_message().await;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // What comes behind the last line is told, too, by the sweep.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let since: Vec<_> = lines().iter().map(|line| line.get("since_the_last_line").to_owned()).collect();
    assert_eq!(since, ["1", "100", "100"]);
    assert!(lines().iter().all(|line| line.level == tracing::Level::WARN));
}

/// Goes past a limit by one, as a client that is let through.
async fn exceed(limit: LimitName, stage: &Stage) {
    let connect = || stage.connecting("ada").address([203, 0, 113, 7]);
    let (mut ada, mut clients) = (connect().await.unwrap(), Vec::new());
    let (name, data, times) = match limit {
        LimitName::ConnectionsPerAddress
        | LimitName::ConnectionsPerUser
        | LimitName::HandshakesPerAddress
        | LimitName::HandshakesPerUser => {
            connect().await.unwrap();
            return;
        }
        LimitName::FramesPerConnection
        | LimitName::FramesPerUser
        | LimitName::FramesPerAddress
        | LimitName::BytesPerConnection
        | LimitName::BytesPerUser
        | LimitName::BytesPerAddress => ("quiet", json!({}), 2),
        LimitName::GroupsPerConnection => {
            for group in ["a", "b"] {
                ada.request(1, "join", &json!({"group": group})).await;
                assert_eq!(ada.next_message().await.name, "$ok");
            }
            return;
        }
        LimitName::MessageSize => ("echo", json!({"text": "x".repeat(1024)}), 1),
        LimitName::UnfinishedBytes => {
            let (listener, dialer) = pipe::listen();
            let running = Running::start(stage, listener, app(stage));
            // Memory grows by doubling, and four times the largest message is always allowed.
            let half = Frame::binary(vec![0; 9 << 20]).claiming(10 << 20).bytes();
            for user in ["ada", "bob"] {
                let url = format!("ws://localhost/ws/{user}");
                clients.push(Socket::over(dialer.dial(), url).await.unwrap());
                clients.last_mut().unwrap().0.get_mut().write_all(&half).await.unwrap();
            }
            drop(clients);
            running.stop().await;
            return;
        }
        LimitName::PayloadDepth => ("quiet", json!([[]]), 1),
        LimitName::RateLimits => ("limited", json!({}), 4),
        _ => panic!("{limit} has no test"),
    };
    for _ in 0..times {
        ada.request(1, name, &data).await;
        assert_ne!(ada.next_message().await.name, "error", "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_limit_counts_and_logs_what_it_lets_through() {
    let vars = [
        (LimitName::ConnectionsPerAddress, "WS_CONNECTIONS_PER_ADDRESS", "1"),
        (LimitName::ConnectionsPerUser, "MAX_CONNECTIONS_PER_CLIENT", "1"),
        (LimitName::HandshakesPerAddress, "WS_HANDSHAKES_PER_ADDRESS", "1/1h"),
        (LimitName::HandshakesPerUser, "WS_HANDSHAKES_PER_USER", "1/1h"),
        (LimitName::FramesPerConnection, "WS_FRAMES_PER_CONNECTION", "1/1h"),
        (LimitName::FramesPerUser, "WS_FRAMES_PER_USER", "1/1h"),
        (LimitName::FramesPerAddress, "WS_FRAMES_PER_ADDRESS", "1/1h"),
        (LimitName::BytesPerConnection, "WS_BYTES_PER_CONNECTION", "1/1h"),
        (LimitName::BytesPerUser, "WS_BYTES_PER_USER", "1/1h"),
        (LimitName::BytesPerAddress, "WS_BYTES_PER_ADDRESS", "1/1h"),
        (LimitName::GroupsPerConnection, "WS_GROUPS_PER_CONNECTION", "1"),
        (LimitName::MessageSize, "WS_MAX_MESSAGE_SIZE", "1KiB"),
        (LimitName::UnfinishedBytes, "WS_MAX_UNFINISHED_BYTES", "1"),
        (LimitName::PayloadDepth, "WS_MAX_PAYLOAD_DEPTH", "1"),
        (LimitName::RateLimits, "WS_RATE_LIMITS", ""),
    ];
    assert_eq!(vars.map(|(limit, ..)| limit), LimitName::ALL);
    for (limit, var, value) in vars {
        let stage = observing(limit, var, value);
        let logs = Logs::listen();
        exceed(limit, &stage).await;
        for other in LimitName::ALL {
            assert_eq!(counted(&stage, other), (0, u64::from(other == limit)), "{other} where {limit} looks on");
        }
        assert_eq!(stage.layer.stats().refused, 0, "{limit}");
        let lines = logs.with("limit", limit.as_str());
        assert_eq!(lines.len(), 1, "{limit}");
        assert_eq!(lines[0].level, tracing::Level::WARN, "{limit}");
        assert!(!lines[0].get("who").is_empty(), "{limit} says whom it would have refused");
    }
}
