//! What all servers count together, whichever is asked.

use std::time::Instant;

use channels_tests::redis::Way;
use serde_json::{Value, json};

use super::pair::{NOTICED, Pair, eventually, status};
use crate::client::Client;
use crate::http::get;

async fn cluster_is(pair: &Pair, wanted: Value) {
    for server in pair.both() {
        eventually("the cluster", async || status(server).await["cluster"].clone(), |is| *is == wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_tells_its_own_numbers_and_those_of_all() {
    let pair = Pair::start().await;
    cluster_is(&pair, json!({ "servers": 2, "connections": 0, "users": 0 })).await;
    let mut ada = pair.one.connect("ada").await;
    let mut phone = pair.other.connect("ada").await;
    let mut bob = pair.other.connect("bob").await;
    for client in [&mut ada, &mut phone, &mut bob] {
        client.join("rust & co").await;
    }
    cluster_is(&pair, json!({ "servers": 2, "connections": 3, "users": 2 })).await;
    for (server, connections) in pair.both().into_iter().zip([1, 2]) {
        let own = status(server).await;
        assert_eq!((&own["backend"], &own["connections"]), (&json!("redis"), &json!(connections)));
        let members = async |group: &str| {
            get(&server.address, &format!("/api/status?group={group}")).await.json()["cluster"]["members"].clone()
        };
        eventually("members", async || members("rust%20%26%20co").await, |is| *is == json!(3)).await;
        assert_eq!(members("nobody").await, json!(0));
    }
    // One that goes takes its numbers along at once.
    let Pair { one, other, redis: _redis, proxy: _proxy, .. } = pair;
    let began = Instant::now();
    let is_told = async |mut client: Client| assert_eq!(client.close_code().await, Some(1012));
    let (code, ..) = tokio::join!(other.stop(), is_told(phone), is_told(bob));
    assert_eq!(code, Some(0));
    let left = json!({ "servers": 1, "connections": 1, "users": 1 });
    eventually("the rest", async || status(&one).await["cluster"].clone(), |is| *is == left).await;
    assert!(began.elapsed() < NOTICED, "{:?}", began.elapsed());
    ada.send("ping", json!({})).await;
    ada.until("pong").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_the_status_tells_what_this_server_knows() {
    let pair = Pair::start().await;
    let _ada = pair.one.connect("ada").await;
    pair.proxy.blackhole(Way::Both);
    // At once, when nobody has noticed yet, and afterwards.
    for _ in 0..2 {
        let began = Instant::now();
        let answer = get(&pair.one.address, "/api/status?group=rust").await;
        assert!(began.elapsed() < NOTICED, "{:?}", began.elapsed());
        let status = answer.json();
        assert_eq!((answer.status, &status["connections"], &status["cluster"]), (200, &json!(1), &Value::Null));
    }
    pair.proxy.pass();
    cluster_is(&pair, json!({ "servers": 2, "connections": 1, "users": 1 })).await;
}
