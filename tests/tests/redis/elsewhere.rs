//! Processes that are no servers: they send, and look on.

use channels::backend::{Destination, Tap, Topic};
use channels::{Delivery, Emitter};
use channels_tests::probe::{ServerMessage, Text};
use channels_tests::redis::RedisServer;

use crate::servers::{config, connected, heard, member, say, server};

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
async fn an_emitter_closes_a_user_and_a_connection_and_a_tap_hears_no_command() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).build().unwrap();
    let stage = server(&config).await;
    let (mut ada, mut bob) = (connected(&stage, "ada").await, connected(&stage, "bob").await);
    let user = channels::UserId::new("ada").unwrap();
    let mut tap = Tap::connect(&config, &[Topic::User(&user)]).await.unwrap();
    let emitter = Emitter::connect(&config).await.unwrap();
    // The tap is subscribed as the server is.
    assert_eq!(emitter.close_user("ada", "locked").await.unwrap().servers, Some(2));
    let end = ada.closed().await;
    assert_eq!((end.code().as_u16(), end.text()), (4501, "locked"));
    emitter.close_connection(bob.connection().id(), "locked too").await.unwrap();
    assert_eq!(bob.closed().await.text(), "locked too");
    emitter.send_to_user("ada", said("a message")).await.unwrap();
    assert_eq!(&*tap.recv().await.unwrap().envelope.payload, r#"{"type":"said","data":{"text":"a message"}}"#);
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
