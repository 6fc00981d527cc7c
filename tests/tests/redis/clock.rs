//! A clock of Redis that jumps: rates over several servers go by it.

use channels::testing::Client;
use channels_tests::probe::Text;
use channels_tests::redis::RedisServer;

use crate::servers::{config, connected, server};

/// An hour, in the microseconds of a rate's state.
const HOUR: f64 = 3600.0 * 1e6;
/// What a whole burst takes: three a minute.
const BURST_MILLIS: u64 = 60_000;

/// What is remembered says when a rate is whole again. As if the clock had been set by this much since.
fn set_clock(redis: &RedisServer, by: f64) {
    let keys = redis.command(&["KEYS", "*rate:*ada*"]);
    let [key] = keys.list() else { panic!("one rate: {keys:?}") };
    let whole: f64 = redis.command(&["GET".to_owned(), key.text()]).text().parse().unwrap();
    redis.command(&["SET".to_owned(), key.text(), format!("{:.3}", whole - by), "KEEPTTL".to_owned()]);
}

async fn passes(ada: &mut Client) {
    ada.send("limited", &()).await;
    assert_eq!(ada.recv::<Text>().await.text, "passed");
}

async fn has_to_wait_for_a_burst_at_most(ada: &mut Client) {
    ada.send("limited", &()).await;
    let told = ada.next_message().await;
    assert_eq!(told.data["error_code"], "RATE_LIMIT_EXCEEDED");
    let after = told.data["retry_after_ms"].as_u64().unwrap();
    assert!((1..=BURST_MILLIS).contains(&after), "{after} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_locks_nobody_out_for_longer_than_a_burst_takes() {
    let redis = RedisServer::start();
    let stage = server(&config(&redis.url()).build().unwrap()).await;
    let mut ada = connected(&stage, "ada").await;
    passes(&mut ada).await;
    set_clock(&redis, HOUR);
    // Whole again, and no more than that.
    for _ in 0..3 {
        passes(&mut ada).await;
    }
    has_to_wait_for_a_burst_at_most(&mut ada).await;
    set_clock(&redis, -HOUR);
    has_to_wait_for_a_burst_at_most(&mut ada).await;
}
