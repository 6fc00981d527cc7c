//! What metrics and the inspector tell of two servers and the Redis between them.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::pair::{Pair, eventually};
use crate::http::{get, request};
use crate::server::Server;

const TOKEN: &str = "not-to-be-guessed";

/// What `/metrics` says now, by series.
async fn metrics(server: &Server) -> BTreeMap<String, f64> {
    let text = get(&server.address, "/metrics").await.text();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
        .collect()
}

async fn inspected(server: &Server) -> Value {
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    request(&server.address, "GET", "/inspector/state.json", &token, "").await.json()
}

/// Name, whether it is the one that is asked, and connections of each server.
fn listed(seen: &Value) -> Vec<Value> {
    let shown = seen["servers"]["shown"].as_array();
    shown.into_iter().flatten().map(|it| json!([it["name"], it["own"], it["connections"]])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_and_its_end_are_seen_in_metrics_and_inspector() {
    let pair = Pair::with(&[("CHAT_INSPECTOR_TOKEN", TOKEN)]).await;
    let (mut ada, mut bob) = (pair.one.connect("ada").await, pair.other.connect("bob").await);
    ada.join("rust").await;
    bob.join("rust").await;
    ada.send("chat_message", json!({"room": "rust", "text": "hi"})).await;
    bob.until("chat_message").await;

    let before = metrics(&pair.one).await;
    assert!(before.keys().any(|series| series.starts_with("channels_info{") && series.contains(r#"backend="redis""#)));
    assert_eq!((before["channels_backend_connected"], before["channels_backend_interruptions_total"]), (1.0, 0.0));
    // Groups, users and the server's own topic; and the message went by way of Redis.
    assert!(
        before["channels_backend_subscriptions"] >= 1.0 && before[r#"channels_send_seconds_count{to="group"}"#] >= 1.0
    );
    let both = json!({"servers": 2, "connections": 2, "users": 2});
    for server in pair.both() {
        eventually("the cluster", async || inspected(server).await["cluster"].clone(), |is| *is == both).await;
    }
    // Both by name, whoever is asked, and who is asked knows which of them it is.
    let one = inspected(&pair.one).await["server"]["id"].clone();
    let other = inspected(&pair.other).await["server"]["id"].clone();
    for (server, wanted) in [
        (&pair.one, [json!([one, true, 1]), json!([other, false, 1])]),
        (&pair.other, [json!([other, true, 1]), json!([one, false, 1])]),
    ] {
        eventually("the servers", async || listed(&inspected(server).await), |is| *is == wanted).await;
    }
    let seen = inspected(&pair.other).await;
    assert_eq!((&seen["backend"]["connected"], &seen["connections"][0]["user"]), (&json!(true), &json!("bob")));

    let began = Instant::now();
    pair.redis.kill_9();
    pair.readiness_is(503, began).await;
    let away = metrics(&pair.one).await;
    assert_eq!(away["channels_backend_connected"], 0.0);
    assert!(away["channels_backend_interruptions_total"] >= 1.0);
    eventually("the cluster", async || inspected(&pair.one).await["cluster"].clone(), Value::is_null).await;
    let seen = inspected(&pair.one).await;
    assert_eq!(seen["servers"], Value::Null, "nobody can tell");
    assert!(seen["backend"]["reason"].is_string() && seen["backend"]["last_interruption"].is_string(), "{seen}");
    // A refused post is an error that whoever looks can find by its id.
    ada.send("chat_message", json!({"room": "rust", "text": "lost"})).await;
    let told = ada.until_error().await;
    let seen = inspected(&pair.one).await;
    assert_eq!(
        (&seen["errors"][0]["error_id"], &seen["errors"][0]["code"]),
        (&told["error_id"], &json!("BACKEND_ERROR"))
    );

    let back = Instant::now();
    pair.redis.restart();
    pair.readiness_is(200, back).await;
    let after = metrics(&pair.one).await;
    assert_eq!(after["channels_backend_connected"], 1.0);
    assert!(after[r#"channels_errors_total{category="backend",code="BACKEND_ERROR"}"#] >= 1.0);
}
