//! What the guide lists under "ACL" is enough, and no more than what is used.

use channels::Emitter;
use channels_tests::probe::{ServerMessage, Text};
use channels_tests::redis::{RedisCluster, RedisServer, Value, eventually};
use serde_json::json;

use crate::servers::{config, heard, member, say, two_servers};

const GUIDE: &str = include_str!("../../../channels/src/docs/redis.md");

/// The command that makes this user in the guide, for another prefix and without these lines at its end.
fn command(user: &str, prefix: &str, left_out: usize) -> Vec<String> {
    let start = format!("ACL SETUSER {user} ");
    let (_, text) = GUIDE.split_once(&start).expect("the guide makes the user");
    let (text, _) = text.split_once("\n```").unwrap();
    let lines: Vec<_> = text.lines().collect();
    let lines = lines[..lines.len() - left_out].join(" ").replace("ws:", prefix);
    start.split_whitespace().chain(lines.split_whitespace()).map(str::to_owned).collect()
}

/// What was denied to anybody.
fn denied(log: &Value) -> Vec<String> {
    log.list().iter().map(|entry| entry.field("object").text()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_needs_no_more_than_the_guide_lists() {
    let redis = RedisServer::start();
    let url = format!("redis://chat:secret@{}/1", redis.address());
    let config = config(&url).build().unwrap();
    // The database is part of the names behind the prefix.
    redis.command(&command("chat", config.redis_channel_prefix(), 1));
    let (one, other) = two_servers(&config).await;
    let (mut ada, mut bob) = (member(&one, "ada", "rust").await, member(&other, "bob", "rust").await);
    say(&mut ada, "rust", "hi").await;
    assert_eq!((heard(&mut ada).await, heard(&mut bob).await), ("hi".to_owned(), "hi".to_owned()));
    ada.send("limited", &()).await;
    assert_eq!(ada.recv::<Text>().await.text, "passed");
    for client in [&mut ada, &mut bob] {
        for _ in 0..2 {
            client.request(1, "once", &json!({"millis": 0})).await;
            assert_eq!(client.recv::<Text>().await.text, "done");
        }
    }
    assert_eq!(one.layer.counts().await.unwrap().servers, 2);
    assert_eq!(one.layer.servers().await.unwrap().len(), 2);
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    eventually("all is well", || one.layer.ready().ok().and(other.layer.ready().ok())).await;
    other.layer.drained().await;
    one.layer.drained().await;
    assert_eq!(denied(&redis.command(&["ACL", "LOG"])), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_a_cluster_needs_the_last_line_too() {
    let redis = RedisCluster::start();
    let config = config(&redis.url().replace("cluster://", "cluster://chat:secret@")).build().unwrap();
    for node in redis.nodes() {
        node.command(&command("chat", config.redis_channel_prefix(), 0));
    }
    let (one, other) = two_servers(&config).await;
    let (mut ada, mut bob) = (member(&one, "ada", "rust").await, member(&other, "bob", "rust").await);
    say(&mut ada, "rust", "hi").await;
    assert_eq!((heard(&mut ada).await, heard(&mut bob).await), ("hi".to_owned(), "hi".to_owned()));
    for node in redis.nodes() {
        assert_eq!(denied(&node.command(&["ACL", "LOG"])), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emitter_needs_less() {
    let redis = RedisServer::start();
    let url = format!("redis://worker:secret@{}", redis.address());
    let config = config(&url).build().unwrap();
    let message = || ServerMessage::Said(Text { text: "hi".into() });
    redis.command(&command("worker", config.redis_channel_prefix(), 0));
    let emitter = Emitter::connect(&config).await.unwrap();
    assert_eq!(emitter.send_to_group("rust", message()).await.unwrap().servers, Some(0));
    assert_eq!(emitter.counts().await.unwrap().servers, 0);
    assert_eq!(emitter.servers().await.unwrap(), []);
    emitter.close().await;
    redis.command(&["ACL", "DELUSER", "worker"]);
    redis.command(&command("worker", config.redis_channel_prefix(), 1));
    let emitter = Emitter::connect(&config).await.unwrap();
    emitter.broadcast(message()).await.unwrap();
    emitter.close().await;
}
