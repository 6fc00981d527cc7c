//! What the guide says a user of Redis has to be allowed is enough, and nothing in it is too much to write down.

use channels::{Config, Emitter};
use channels_tests::probe::{ServerMessage, Text};
use channels_tests::redis::{RedisServer, eventually};

use crate::servers::{connected, heard, member, say, two_servers};

const GUIDE: &str = include_str!("../../../channels/src/docs/redis.md");

/// The rules of `ACL SETUSER <name> …` in the guide.
fn allow(redis: &RedisServer, name: &str) {
    let start = format!("ACL SETUSER {name} ");
    let rules = GUIDE.split(&start).nth(1).unwrap().split("```").next().unwrap();
    let words = ["ACL", "SETUSER", name].into_iter().chain(rules.split_whitespace());
    redis.command(&words.collect::<Vec<_>>());
}

fn config(redis: &RedisServer, name: &str) -> Config {
    let url = format!("redis://{name}:secret@{}", redis.address());
    Config::builder()
        .backend_type(channels::BackendType::Redis)
        .redis_url(url)
        .max_connections_per_client(2)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_of_the_guide_are_enough() {
    let redis = RedisServer::start();
    allow(&redis, "chat");
    allow(&redis, "worker");
    let (here, there) = two_servers(&config(&redis, "chat")).await;
    let (mut ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    say(&mut ada, "rust", "hi").await;
    assert_eq!((heard(&mut ada).await.as_str(), heard(&mut bob).await.as_str()), ("hi", "hi"));
    bob.send("limited", &()).await;
    assert_eq!(heard(&mut bob).await, "passed");
    let _second = connected(&there, "ada").await;
    assert_eq!(here.try_connect("ada").await.unwrap_err().status(), 429);
    assert_eq!(here.layer.group_len("rust").await.unwrap(), 2);
    assert_eq!(here.layer.counts().await.unwrap().servers, 2);

    let emitter = Emitter::connect(&config(&redis, "worker")).await.unwrap();
    let text = ServerMessage::Said(Text { text: "from elsewhere".to_owned() });
    assert_eq!(emitter.send_to_group("rust", text).await.unwrap().servers, Some(2));
    assert_eq!(heard(&mut ada).await, "from elsewhere");
    assert_eq!(emitter.counts().await.unwrap().servers, 2);

    // Another connection to the same process, whose predecessor is ended.
    redis.command(&["CLIENT", "KILL", "USER", "chat"]);
    eventually("both are connected again", || here.layer.ready().ok().and(there.layer.ready().ok())).await;
    there.layer.drain();
    there.layer.drained().await;
    assert_eq!(here.layer.counts().await.unwrap().servers, 1);
    let denied = redis.command(&["ACL", "LOG"]);
    let denied: Vec<String> = denied.list().iter().map(|entry| entry.field("object").text()).collect();
    let expected = |object: &String| object == "info" || object == "script|load";
    // An emitter asks, and does without.
    assert!(denied.iter().all(expected), "denied: {denied:?}");
}
