//! A client that does not read, over a real socket: closed within bounds, and others get everything at once.

use std::time::{Duration, Instant};

use channels::Config;
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::raw::Raw;
use channels_tests::socket;
use serde_json::json;

fn said(size: usize) -> ServerMessage {
    ServerMessage::Said(Text { text: "x".repeat(size) })
}

async fn house() -> (Stage, socket::Server) {
    let config = Config::builder().outbox_messages(64).outbox_bytes(1 << 20).build().unwrap();
    let stage = Stage::with(World { groups: vec!["room"], ..World::default() }, config);
    let server = socket::serve(&stage).await;
    (stage, server)
}

/// Sends until somebody's outbox is full, and says how many outboxes took one; ada reads each at once.
async fn flood(stage: &Stage, ada: &mut socket::Socket) -> u64 {
    let mut taken = 0;
    while stage.layer.stats().dropped == 0 {
        taken += stage.layer.send_to_group("room", said(50_000)).await.unwrap().local as u64;
        let sent = Instant::now();
        assert_eq!(ada.next_json().await["type"], "said");
        assert!(sent.elapsed() < Duration::from_secs(5), "delayed by another: {:?}", sent.elapsed());
    }
    taken
}

#[tokio::test]
async fn who_never_reads_is_gone_in_time_and_delays_nobody() {
    let (stage, server) = house().await;
    let mut ada = server.connect("ada").await;
    ada.request("quiet", json!({})).await;
    let slow = Raw::open(server.address, "/ws/slow").await;
    stage.until(|_| stage.layer.registry().group_len("room") == 2).await;
    let taken = flood(&stage, &mut ada).await;
    let full = Instant::now();
    stage.until(|_| stage.layer.registry().connection_count() == 1).await;
    stage.until(|world| world.ends().len() == 1).await;
    assert!(full.elapsed() < Duration::from_secs(4), "it leaves the groups at once: {:?}", full.elapsed());
    assert_eq!(stage.world.ends()[0].code, 4413);
    // Its socket and its place are gone a little later, though it never answers.
    socket::soon("its place is free", async {
        while stage.layer.counts().await.unwrap().connections > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(full.elapsed() < Duration::from_secs(25), "{:?}", full.elapsed());
    // Ada's "$ok", what was taken, and the one that did not fit: each was written or dropped, and counted.
    let stats = stage.layer.stats();
    assert_eq!(stats.messages_out + stats.dropped, 1 + taken + 1, "{stats:?}");
    stage.layer.send_to_group("room", said(1)).await.unwrap();
    assert_eq!(ada.next_json().await["data"]["text"], "x");
    drop((ada, slow));
    stage.empty().await;
}

#[tokio::test]
async fn who_reads_again_in_time_learns_why() {
    let (stage, server) = house().await;
    let mut ada = server.connect("ada").await;
    ada.request("quiet", json!({})).await;
    let mut slow = Raw::open(server.address, "/ws/slow").await;
    stage.until(|_| stage.layer.registry().group_len("room") == 2).await;
    flood(&stage, &mut ada).await;
    assert_eq!(slow.closed().await, Some(4413));
    drop((ada, slow));
    stage.empty().await;
}
