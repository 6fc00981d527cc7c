//! Requests that are handled once, over servers that share a Redis, and what an outage does to them.

use std::time::Duration;

use channels_tests::logs::Logs;
use channels_tests::probe::{Stage, Text};
use channels_tests::redis::{FaultProxy, RedisServer, Value, Way, eventually};
use serde_json::json;

use crate::servers::{config, connected, server, two_servers};

fn runs(servers: [&Stage; 2]) -> usize {
    servers.map(|server| server.world.entered()).iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_on_two_servers_run_it_once_and_have_one_answer() {
    let redis = RedisServer::start();
    let (one, other) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let mut clients = [connected(&one, "ada").await, connected(&other, "ada").await, connected(&other, "bob").await];
    for client in &mut clients {
        client.request("x", "once", &json!({"millis": 300})).await;
    }
    for client in &mut clients {
        let answer = client.next_message().await;
        assert_eq!((answer.name.as_str(), answer.re), ("said", Some(json!("x"))));
    }
    assert_eq!(runs([&one, &other]), 2, "ada's, and bob's");
    // Long after, too.
    let [ada, ..] = &mut clients;
    ada.request("x", "once", &json!({"millis": 300})).await;
    assert_eq!(ada.recv::<Text>().await.text, "done");
    assert_eq!(runs([&one, &other]), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_while_nobody_can_tell_whether_it_was() {
    let redis = RedisServer::start();
    let (one, other) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let mut ada = connected(&one, "ada").await;
    redis.kill_9();
    ada.request(1, "once", &json!({"millis": 0})).await;
    let refused = ada.next_message().await;
    assert_eq!((&refused.data["error_code"], &refused.data["retryable"]), (&json!("BACKEND_ERROR"), &json!(true)));
    assert_eq!(runs([&one, &other]), 0);
    redis.restart();
    eventually("all is well", || one.layer.ready().ok().and(other.layer.ready().ok())).await;
    ada.request(1, "once", &json!({"millis": 0})).await;
    assert_eq!(ada.recv::<Text>().await.text, "done");
    assert_eq!(runs([&one, &other]), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_redis_could_not_take_is_written_when_it_can() {
    let redis = RedisServer::start();
    let (one, other) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (mut ada, mut elsewhere) = (connected(&one, "ada").await, connected(&other, "ada").await);
    ada.request(1, "once", &json!({"millis": 400})).await;
    eventually("it runs", || (one.world.entered() == 1).then_some(())).await;
    redis.stop_signal();
    assert_eq!(ada.recv::<Text>().await.text, "done", "the client does not wait for it");
    // Long enough that its connections are given up.
    tokio::time::sleep(Duration::from_secs(4)).await;
    redis.continue_signal();
    eventually("all is well", || one.layer.ready().ok().and(other.layer.ready().ok())).await;
    elsewhere.request(1, "once", &json!({"millis": 400})).await;
    assert_eq!(elsewhere.recv::<Text>().await.text, "done");
    assert_eq!(runs([&one, &other]), 1);
}

/// On one thread, whose log is read.
#[tokio::test]
async fn an_answer_that_was_kept_without_anybody_to_hear_so_is_not_told_as_lost() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let stage = server(&config(&redis.url_at(proxy.address())).build().unwrap()).await;
    let mut ada = connected(&stage, "ada").await;
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "100000"]);
    // The script, its one key, who did it, how long to keep, and what.
    let settled = || {
        let commands = redis.command(&["SLOWLOG", "GET", "-1"]);
        let is_it =
            |words: &[Value]| words.len() == 7 && words[0].text() == "EVALSHA" && words[3].text().contains("once:");
        commands.list().iter().filter(|command| is_it(command.list()[3].list())).count()
    };
    ada.request(1, "once", &json!({"millis": 400})).await;
    eventually("it runs", || (stage.world.entered() == 1).then_some(())).await;
    let logs = Logs::listen();
    proxy.blackhole(Way::ToClient);
    assert_eq!(ada.recv::<Text>().await.text, "done");
    eventually("it is kept", || (settled() == 1).then_some(())).await;
    proxy.reset();
    let unheard = || !logs.with("message", "an answer could not be kept yet").is_empty();
    eventually("nobody heard so", || unheard().then_some(())).await;
    proxy.pass();
    eventually("it is kept again", || (settled() == 2).then_some(())).await;
    // Answered behind it.
    stage.layer.counts().await.unwrap();
    assert!(logs.with("message", "an answer was not kept").is_empty(), "it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_nobody_heard_of_is_given_up_once_redis_is_back() {
    let redis = RedisServer::start();
    let (one, other) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (mut ada, mut elsewhere) = (connected(&one, "ada").await, connected(&other, "ada").await);
    redis.stop_signal();
    // It is written to Redis, which reads it when it goes on.
    ada.request(1, "once", &json!({"millis": 0})).await;
    assert_eq!(ada.next_message().await.data["error_code"], "BACKEND_ERROR");
    // Long enough that whoever gives it up finds no way there.
    tokio::time::sleep(Duration::from_secs(2)).await;
    redis.continue_signal();
    eventually("all is well", || one.layer.ready().ok().and(other.layer.ready().ok())).await;
    elsewhere.request(1, "once", &json!({"millis": 0})).await;
    assert_eq!(elsewhere.recv::<Text>().await.text, "done", "well before the lease is over");
    assert_eq!(runs([&one, &other]), 1);
}
