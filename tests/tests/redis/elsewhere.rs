//! Processes that are no servers: they send, and look on.

use channels::backend::{Destination, Tap, Topic};
use channels::{Delivery, Emitter};
use channels_tests::probe::{ServerMessage, Text};
use channels_tests::redis::RedisServer;

use crate::servers::{config, heard, member, say, server};

fn said(text: &str) -> ServerMessage {
    ServerMessage::Said(Text { text: text.to_owned() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emitter_reaches_everybody_and_is_no_server() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let stage = server(&config).await;
    let mut ada = member(&stage, "ada", "rust").await;
    let emitter = Emitter::connect(&config).await.unwrap();
    assert_eq!(emitter.send_to_group("rust", said("group")).await.unwrap().servers, Some(1));
    assert_eq!(emitter.send_to_group("nobody's", said("none")).await.unwrap().servers, Some(0));
    emitter.send_to_user("ada", said("user")).await.unwrap();
    emitter.send_to_connection(ada.connection().id(), said("connection")).await.unwrap();
    emitter.broadcast(said("all")).await.unwrap();
    // Each topic has an order of its own.
    let mut texts = vec![];
    for _ in 0..4 {
        texts.push(heard(&mut ada).await);
    }
    texts.sort_unstable();
    assert_eq!(texts, ["all", "connection", "group", "user"]);
    assert_eq!(emitter.counts().await.unwrap().servers, 1);
    assert!(emitter.send_to_group("", said("no name")).await.is_err());
    redis.kill_9();
    let error = emitter.send_to_group("rust", said("nobody hears it")).await.unwrap_err();
    assert!(matches!(error.delivery(), Some(Delivery::NotSent | Delivery::Unknown)));
    emitter.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_hears_what_members_hear_and_is_none() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let stage = server(&config).await;
    let mut ada = member(&stage, "ada", "rust").await;
    let mut tap = Tap::connect(&config, &[Topic::Group("rust"), Topic::Broadcast]).await.unwrap();
    say(&mut ada, "rust", "hi").await;
    let heard_there = tap.recv().await.unwrap();
    assert_eq!(heard_there.to, Destination::Group("rust".into()));
    assert_eq!(&*heard_there.envelope.payload, r#"{"type":"said","data":{"text":"hi"}}"#);
    assert_eq!(heard(&mut ada).await, "hi");
    assert_eq!((stage.layer.counts().await.unwrap().servers, tap.missed()), (1, 0));
}
