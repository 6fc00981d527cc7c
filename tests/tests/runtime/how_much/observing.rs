//! What only looks on: handlers' own limits, and the log.

use std::time::Duration;

use channels::middleware::RateLimit;
use channels::prelude::*;
use channels::testing;
use channels_tests::logs::Logs;
use serde_json::json;

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
    let since: Vec<_> = lines().iter().map(|line| line.get("since_the_last_line").to_owned()).collect();
    assert_eq!(since, ["1", "100"]);
    assert!(lines().iter().all(|line| line.level == tracing::Level::WARN));
}
