//! What a message passes on its way: in order, changed, dropped, refused, and looked at before it is parsed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use channels::message::{Frame, Message};
use channels::middleware::{Logging, RateLimit, Validation};
use channels::prelude::*;
use channels::rate_limit::By;
use channels::testing::{self, Client};
use channels::{Error, Rate, Serve};
use channels_tests::logs::Logs;
use channels_tests::probe::{Probe, Text, World};
use serde_json::json;

fn app(layer: &ChannelLayer, add: impl FnOnce(Serve<Probe>) -> Serve<Probe>) -> Router {
    let route = add(layer.serve::<Probe>()).into_route();
    Router::new().route("/ws/{user}", route).with_state(Arc::<World>::default())
}

async fn ada(app: &Router) -> Client {
    testing::connect_to(app).path("/ws/ada").await.unwrap()
}

type Steps = Arc<Mutex<Vec<String>>>;

/// Writes down what passes, both ways.
struct Step(&'static str, Steps);

impl Step {
    fn note(&self, what: &str) {
        self.1.lock().unwrap().push(format!("{} {what}", self.0));
    }
}

impl Middleware for Step {
    fn inspect(&self, frame: &Frame, _: &Connection) -> Result<(), Error> {
        self.note(&format!("sees {}", frame.len()));
        Ok(())
    }

    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        self.note(message.name());
        let outcome = next.run(message).await;
        self.note(if outcome.is_ok() { "ok" } else { "failed" });
        outcome
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_added_is_the_outermost() {
    let steps = Steps::default();
    let layer = ChannelLayer::memory();
    let app = app(&layer, |serve| {
        serve.middleware(Step("outer", Arc::clone(&steps))).middleware(Step("inner", Arc::clone(&steps)))
    });
    let mut ada = ada(&app).await;
    ada.request(1, "fail", &json!({"how": "forbidden"})).await;
    assert_eq!(ada.next_message().await.name, "error");
    let size = json!({"type": "fail", "data": {"how": "forbidden"}, "id": 1}).to_string().len();
    let (outer, inner) = (format!("outer sees {size}"), format!("inner sees {size}"));
    let expected = [&outer, &inner, "outer fail", "inner fail", "inner failed", "outer failed"];
    assert_eq!(*steps.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_frameworks_ping_does_not_pass_it_and_unknown_types_do() {
    let steps = Steps::default();
    let app = app(&ChannelLayer::memory(), |serve| serve.middleware(Step("it", Arc::clone(&steps))));
    let mut ada = ada(&app).await;
    ada.send_json(&json!({"type": "ping"})).await;
    assert_eq!(ada.next_message().await.name, "pong");
    ada.send_json(&json!({"type": "nope"})).await;
    assert_eq!(ada.next_message().await.data["error_code"], "INVALID_MESSAGE_PARAMS");
    let passed: Vec<_> = steps.lock().unwrap().iter().filter(|step| !step.contains("sees")).cloned().collect();
    assert_eq!(passed, ["it nope", "it failed"]);
}

/// Changes, drops or refuses.
struct Editor;

impl Middleware for Editor {
    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        match message.name() {
            "quiet" => Ok(()),
            "hang" => Err(Error::authorization("Nobody hangs here.")),
            "shout" => next.run(message.with_name("echo")).await,
            "echo" => {
                let text: Text = message.payload()?;
                let louder = Text { text: text.text.to_uppercase() };
                next.run(message.with_payload(&louder)?).await
            }
            _ => next.run(message).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_changes_drops_or_refuses() {
    let mut ada = ada(&app(&ChannelLayer::memory(), |serve| serve.middleware(Editor))).await;
    ada.request(1, "echo", &json!({"text": "hi"})).await;
    let told = ada.next_message().await;
    assert_eq!((told.data["text"].as_str(), told.re), (Some("HI"), Some(json!(1))));
    ada.send("shout", &json!({"text": "hi"})).await;
    assert_eq!(ada.recv::<Text>().await.text, "hi");
    ada.request(2, "quiet", &json!({})).await;
    assert_eq!(ada.next_message().await.name, "$ok", "dropped, and the request is answered");
    ada.request(3, "hang", &json!({})).await;
    let told = ada.next_message().await;
    assert_eq!((&told.data["error_code"], told.re), (&json!("AUTHORIZATION_FAILED"), Some(json!(3))));
    ada.send("echo", &json!({"text": 7})).await;
    assert_eq!(ada.next_message().await.data["error_code"], "VALIDATION_FAILED");
}

#[tokio::test(start_paused = true)]
async fn size_is_looked_at_before_anything_is_parsed() {
    let mut ada = ada(&app(&ChannelLayer::memory(), |serve| serve.middleware(Validation::new().max_size(100)))).await;
    ada.send_text("[".repeat(101)).await;
    let told = ada.next_message().await;
    assert_eq!(told.data["error_code"], "VALIDATION_FAILED", "not INVALID_JSON: nobody has read it");
    ada.send_binary(vec![0; 101]).await;
    assert_eq!(ada.next_message().await.data["error_code"], "VALIDATION_FAILED");
    ada.send_text("[".repeat(100)).await;
    assert_eq!(ada.next_message().await.data["error_code"], "INVALID_JSON");
    ada.send("echo", &Text { text: "alive".into() }).await;
    assert_eq!(ada.recv::<Text>().await.text, "alive");
}

/// Takes a second.
struct Late;

impl Middleware for Late {
    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        next.run(message).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_expires_on_the_way_is_not_handled() {
    let layer = ChannelLayer::memory();
    let mut ada = ada(&app(&layer, |serve| serve.middleware(Late).middleware(Validation::new()))).await;
    ada.send_json(&json!({"type": "echo", "data": {"text": "late"}, "ttl_seconds": 0.5})).await;
    ada.send_json(&json!({"type": "echo", "data": {"text": "in time"}, "ttl_seconds": 5})).await;
    assert_eq!(ada.recv::<Text>().await.text, "in time");
    assert_eq!(layer.stats().expired, 1, "counted wherever it was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_limit_over_all_messages_leaves_some_out() {
    let rate: Rate = "3/60s".parse().unwrap();
    let limit = move |serve: Serve<Probe>| serve.middleware(RateLimit::new(rate).exclude(["quiet"]));
    let mut ada = ada(&app(&ChannelLayer::memory(), limit)).await;
    for _ in 0..10 {
        ada.request(1, "quiet", &json!({})).await;
        assert_eq!(ada.next_message().await.name, "$ok");
    }
    for number in 0..5 {
        ada.send("echo", &Text { text: "x".into() }).await;
        assert_eq!(ada.next_message().await.name, if number < 3 { "said" } else { "error" });
    }
    ada.send_json(&json!({"type": "nope"})).await;
    assert_eq!(ada.next_message().await.data["error_code"], "RATE_LIMIT_EXCEEDED", "unknown types count too");
}

/// Both are called `messages`, as nobody has given them a name.
#[tokio::test(start_paused = true)]
async fn two_limits_of_one_name_and_two_rates_count_apart() {
    for by in [By::Connection, By::User] {
        let limit = |rate: &str| RateLimit::new(rate.parse().unwrap()).by(by);
        let (slow, fast) = (limit("6/60s"), limit("2/1s"));
        let mut ada = ada(&app(&ChannelLayer::memory(), |serve| serve.middleware(slow).middleware(fast))).await;
        for second in 0..3 {
            for _ in 0..2 {
                ada.send("echo", &Text { text: "x".into() }).await;
                assert_eq!(ada.next_message().await.name, "said", "{by:?} in second {second}");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        ada.send("echo", &Text { text: "x".into() }).await;
        let told = ada.next_message().await;
        assert_eq!(told.data["error_code"], "RATE_LIMIT_EXCEEDED", "{by:?}: the seventh within a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_changes_a_rate_by_its_name() {
    let vars = [("WS_RATE_LIMITS", "posts=5/60s,limited=1/60s")];
    let layer = ChannelLayer::memory_with(Config::builder().vars(vars).unwrap().build().unwrap());
    let rate: Rate = "3/60s".parse().unwrap();
    let app = app(&layer, |serve| serve.middleware(RateLimit::new(rate).bucket("posts").by(By::User)));
    let mut ada = ada(&app).await;
    for name in ["said", "error", "error", "error", "error"] {
        ada.send_json(&json!({"type": "limited"})).await;
        assert_eq!(ada.next_message().await.name, name, "one, says the operator");
    }
    ada.send("echo", &Text { text: "x".into() }).await;
    assert_eq!(ada.next_message().await.data["error_code"], "RATE_LIMIT_EXCEEDED", "five, says the operator");
}

#[tokio::test(start_paused = true)]
async fn each_message_is_a_line_without_its_payload() {
    let app = app(&ChannelLayer::memory(), |serve| serve.middleware(Logging::new().at_info()));
    let mut ada = ada(&app).await;
    let logs = Logs::listen();
    ada.send("echo", &Text { text: "a secret".into() }).await;
    ada.recv::<Text>().await;
    ada.send_json(&json!({"type": "no\nsuch"})).await;
    ada.next_message().await;
    let lines: Vec<_> =
        logs.with("message", "message").into_iter().filter(|line| line.level == tracing::Level::INFO).collect();
    let types: Vec<_> = lines.iter().map(|line| line.get("message_type")).collect();
    assert_eq!(types, [r#""echo""#, r#""no\nsuch""#], "a name cannot forge a line");
    assert_eq!(lines[0].get("user"), "ada");
    assert!(!format!("{:?}", logs.lines()).contains("a secret"));
}
