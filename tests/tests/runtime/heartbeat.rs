//! The heartbeat: one sweep for all, and any frame is life.

use std::time::Duration;

use channels::{CloseCode, Config, ConnectionState};
use channels_tests::probe::{Stage, Text, World};
use serde_json::json;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_quiet_client_is_pinged_and_lives_for_ever() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    tokio::time::sleep(INTERVAL - Duration::from_secs(1)).await;
    assert_eq!(ada.pings(), 0, "not before it was quiet for an interval");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let pings = ada.pings();
    assert!((90..=121).contains(&pings), "{pings} pings in an hour");
    assert_eq!(ada.connection().state(), ConnectionState::Connected);
    ada.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_closed_in_time() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let mut bob = stage.connect("bob").await;
    ada.stop_answering();
    let began = Instant::now();
    let reason = ada.closed().await;
    let took = began.elapsed();
    assert_eq!(reason.code(), CloseCode::HEARTBEAT_LOST);
    assert!(took >= TIMEOUT && took <= TIMEOUT + INTERVAL / 4, "{took:?}");
    bob.send("echo", &Text { text: "alive".into() }).await;
    assert_eq!(bob.recv::<Text>().await.text, "alive");
}

/// As a router may outlive the runtime that served it first.
#[test]
fn who_is_served_by_another_runtime_has_a_heartbeat_too() {
    let stage = Stage::new(World::default());
    for round in 1..=2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut ada, bob) = (stage.connect("ada").await, stage.connect("bob").await);
            ada.stop_answering();
            let ended = tokio::time::timeout(TIMEOUT + INTERVAL / 4, ada.closed()).await;
            let reason = ended.unwrap_or_else(|_| panic!("nobody looks, on runtime {round}"));
            assert_eq!(reason.code(), CloseCode::HEARTBEAT_LOST);
            assert!((1..=2).contains(&bob.pings()), "{} by one sweep, on runtime {round}", bob.pings());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn any_frame_is_life() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.stop_answering();
    let frames = [json!({"type": "quiet"}), json!({"type": "pong"}), json!(7)];
    for frame in frames.iter().cycle().take(30) {
        tokio::time::sleep(TIMEOUT - INTERVAL / 2).await;
        ada.send_json(frame).await;
    }
    ada.send_binary(&b"x"[..]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(ada.connection().state(), ConnectionState::Connected);
    assert!(ada.connection().idle() < Duration::from_secs(1));
    assert_eq!(ada.closed().await.code(), CloseCode::HEARTBEAT_LOST, "and silence is none");
}

#[tokio::test(start_paused = true)]
async fn without_heartbeat_nobody_is_pinged_or_closed() {
    let stage = Stage::with(World::default(), Config::builder().enable_heartbeat(false).build().unwrap());
    let ada = stage.connect("ada").await;
    ada.stop_answering();
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!((ada.pings(), ada.connection().state()), (0, ConnectionState::Connected));
}

#[tokio::test(start_paused = true)]
async fn who_connects_during_a_sweep_breaks_nothing() {
    let config =
        Config::builder().heartbeat_interval(Duration::from_millis(100)).heartbeat_timeout(Duration::from_millis(200));
    let stage = Stage::with(World::default(), config.build().unwrap());
    let silent = stage.connect("silent").await;
    silent.stop_answering();
    let mut clients = Vec::new();
    for number in 0..200 {
        clients.push(stage.connect(&format!("user-{number}")).await);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert_eq!(silent.connection().state(), ConnectionState::Disconnected);
    let late = stage.connect("late").await;
    late.stop_answering();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(late.connection().state(), ConnectionState::Disconnected, "the sweep goes on");
    assert_eq!(stage.layer.registry().connection_count(), clients.len());
}
