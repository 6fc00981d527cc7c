//! A rate in `WS_RATE_LIMITS` that is no limit's is told when the server begins to serve.

use std::future::ready;

use axum::Router;
use channels::middleware::RateLimit;
use channels::prelude::*;
use channels::testing;
use channels_tests::logs::Logs;

#[derive(Debug, Incoming)]
enum ClientMessage {
    Say,
    Hint,
}

#[derive(Default)]
struct Limited;

#[consumer(incoming = ClientMessage)]
impl Limited {
    #[on("say")]
    #[rate_limit(20, per = "10s", bucket = "posting")]
    fn say(&self) {}

    // Its bucket has its own name.
    #[on("hint")]
    #[rate_limit(30, per = "10s")]
    fn hint(&self) {}
}

#[derive(Default)]
struct Other;

#[consumer]
impl Other {
    #[on_text]
    #[rate_limit(1, per = "1s")]
    fn text(&self, _text: ByteString) {}
}

/// What is told of these, by which way the server begins.
async fn told(limits: &str, runs: bool) -> Vec<String> {
    let logs = Logs::listen();
    let config = Config::builder().vars([("WS_RATE_LIMITS", limits)]).unwrap().build().unwrap();
    let layer = ChannelLayer::builder(config).connect().await.unwrap();
    let all = RateLimit::new("100/60s".parse().unwrap());
    let whole = RateLimit::new("100/60s".parse().unwrap()).bucket("everything");
    let _app: Router = Router::new()
        .route("/ws", layer.serve::<Limited>().middleware(all).into_route())
        .route("/other", layer.serve::<Other>().middleware(whole).into_route());
    for _ in 0..2 {
        if runs {
            layer.run(ready(Ok::<(), channels::Error>(()))).await.unwrap();
        } else {
            testing::connect::<Limited>(&layer, ()).await.unwrap();
        }
    }
    logs.with("message", "WS_RATE_LIMITS").iter().map(|line| line.get("message").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_no_limits_is_told_once() {
    for runs in [true, false] {
        assert_eq!(
            told("postings=1/10s,Hint=1/1s,nonsense=1/1s", runs).await,
            [
                "WS_RATE_LIMITS: no route made so far has a limit called Hint: did you mean hint?",
                "WS_RATE_LIMITS: no route made so far has a limit called nonsense: it is ignored; there are \
                 {\"everything\", \"hint\", \"messages\", \"posting\", \"text\"}",
                "WS_RATE_LIMITS: no route made so far has a limit called postings: did you mean posting?",
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_names_of_handlers_middleware_and_other_routes_are_known() {
    for runs in [true, false] {
        let told = told("posting=1/1s,hint=1/1s,text=1/1s,messages=1/1s,everything=1/1s", runs).await;
        assert_eq!(told, Vec::<String>::new());
    }
}

/// A server may begin to serve before all its routes are made: what was told of them too early is taken back.
#[tokio::test(start_paused = true)]
async fn a_name_of_a_later_route_is_told_to_be_there() {
    let logs = Logs::listen();
    let config = Config::builder().vars([("WS_RATE_LIMITS", "posting=1/1s,text=1/1s,nonsense=1/1s")]).unwrap();
    let layer = ChannelLayer::builder(config.build().unwrap()).connect().await.unwrap();
    testing::connect::<Other>(&layer, ()).await.unwrap();
    let before = logs.with("message", "WS_RATE_LIMITS").len();
    assert_eq!(before, 2);
    for _ in 0..2 {
        testing::connect::<Limited>(&layer, ()).await.unwrap();
    }
    let lines = logs.with("message", "WS_RATE_LIMITS");
    let since: Vec<_> = lines[before..].iter().map(|line| line.get("message")).collect();
    assert_eq!(since, ["WS_RATE_LIMITS: a route made since has a limit called posting"]);
}
