//! What others write where we listen.

use channels_tests::redis::{RedisServer, eventually};

use crate::servers::{config, heard, member, say, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_envelope_of_ours_is_counted_and_dropped() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let stage = server(&config).await;
    let mut ada = member(&stage, "ada", "rust").await;
    let channels = redis.command(&["PUBSUB", "CHANNELS"]);
    let channels: Vec<String> = channels.list().iter().map(|channel| channel.text()).collect();
    assert!(channels.len() >= 4, "everybody, the server, ada, the group: {channels:?}");
    let mut sent = 0;
    for channel in channels.iter().map(String::as_bytes) {
        for payload in [
            &b""[..],
            b"\0",
            b"{\"type\": \"said\", \"data\": {\"text\": \"forged\"}}",
            b"\xc5",
            b"\xc5\x01gj",
            b"\xc5\x01gj\x01\0\0\0\0\0\0\0\0",
            b"\xc5\x02gj\0\0\0\0\0\0\0\0\0{}",
            b"\xc5\x01gm\0\0\0\0\0\0\0\0\0\x80",
            b"\xc5\x01gj\xff\0\0\0\0\0\0\0\0{}",
            b"\xc5\x01xj\0\0\0\0\0\0\0\0\0{}",
            b"\xc5\x01gj\0\0\0\0\0\0\0\0\0\xff\xfe",
        ] {
            redis.command(&[b"PUBLISH", channel, payload]);
            sent += 1;
        }
    }
    eventually("all of them are counted", || (stage.layer.health().foreign == sent).then_some(())).await;
    ada.assert_silent().await;
    say(&mut ada, "rust", "on").await;
    assert_eq!(heard(&mut ada).await, "on");
    assert!(stage.layer.ready().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_somebody_else_has_written_harm_nobody() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let stage = server(&config).await;
    for key in redis.command(&["KEYS", "*"]).list() {
        redis.command(&["DEL", &key.text()]);
        redis.command(&["SET", &key.text(), "not yours"]);
    }
    assert!(stage.layer.counts().await.is_err() && stage.layer.servers().await.is_err());
    let mut ada = member(&stage, "ada", "rust").await;
    say(&mut ada, "rust", "on").await;
    assert_eq!(heard(&mut ada).await, "on");
}
