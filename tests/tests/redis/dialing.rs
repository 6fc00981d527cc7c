//! Connections that fail between their first answer and their first use.

use std::time::Duration;

use channels::{Delivery, Emitter};
use channels_tests::probe::{ServerMessage, Text};
use channels_tests::redis::{End, FaultProxy, RedisServer, Way, eventually};
use tokio::time::{sleep, timeout};

use crate::servers::config;

/// How long an answer to HELLO is held back: a test does what it has to meanwhile, and less than a dial may take.
const HELD: Duration = Duration::from_secs(1);
/// The question which process it is: what follows HELLO.
const INFO: &[u8] = b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n";

async fn send(emitter: &Emitter) -> Result<(), channels::Error> {
    emitter.broadcast(ServerMessage::Said(Text { text: "hi".into() })).await.map(drop)
}

/// It sends again, in time.
async fn sends_again(emitter: &Emitter) {
    let sent = async {
        while send(emitter).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(15), sent).await.expect("it is connected again");
}

/// Waits for a dial, of which `bytes` come through behind its HELLO, and nothing more ever.
async fn swallow(proxy: &FaultProxy, dials: u64, passed: u64, bytes: u64) {
    eventually("HELLO is there", || (proxy.accepted() > dials && proxy.bytes(Way::ToServer) > passed).then_some(()))
        .await;
    proxy.cut_after(Way::ToServer, bytes, End::Silent);
    proxy.delay(Way::ToClient, Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_swallowed_behind_its_first_answer_is_made_again() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let emitter = Emitter::connect(&config(&redis.url_at(proxy.address())).build().unwrap()).await.unwrap();
    send(&emitter).await.unwrap();
    let (dials, passed) = (proxy.accepted(), proxy.bytes(Way::ToServer));
    proxy.delay(Way::ToClient, HELD);
    proxy.reset();
    swallow(&proxy, dials, passed, 1).await;
    sends_again(&emitter).await;
    assert!(proxy.accepted() >= dials + 2, "the first was given up");
}

/// Nothing old may come after anything new: the last connection that carried something is ended by the next one that will,
/// also where one between them failed before it could.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_failed_early_leaves_its_predecessor_to_the_next() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let emitter = Emitter::connect(&config(&redis.url_at(proxy.address())).build().unwrap()).await.unwrap();
    send(&emitter).await.unwrap();
    let ids = || {
        let list = redis.command(&["CLIENT", "LIST"]).text();
        let ours = list.lines().filter(|client| client.contains("name=channels:"));
        ours.filter_map(|client| client.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    let first = eventually("there is one connection", || <[String; 1]>::try_from(ids()).ok()).await;
    // The first connection is swallowed: the server never learns of its end.
    proxy.cut_after(Way::ToServer, 1, End::Silent);
    let (dials, passed) = (proxy.accepted(), proxy.bytes(Way::ToServer) + 1);
    proxy.delay(Way::ToClient, HELD);
    assert_eq!(send(&emitter).await.unwrap_err().delivery(), Some(Delivery::Unknown));
    // The second learns which process it is, and can say nothing more.
    swallow(&proxy, dials, passed, INFO.len() as u64).await;
    sends_again(&emitter).await;
    assert!(proxy.accepted() >= dials + 2, "the second was given up");
    assert!(!ids().contains(&first[0]), "the first may still be carried out");
}
