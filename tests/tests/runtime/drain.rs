//! The end of a server: nobody new, everybody told, everything queued written.

use std::time::Duration;

use channels::{CloseCode, Config};
use channels_tests::probe::{Stage, Text, World};
use channels_tests::watched::Watched;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn clients_with_the_extras_are_told_when_to_reconnect() {
    let config = Config::builder().reconnect_delay(Duration::from_secs(4)).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let mut waits = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(stage.connecting("-").protocol("channels.v1.json").await.unwrap());
    }
    let mut plain = stage.connect("-").await;
    stage.layer.drain();
    for client in &mut clients {
        let told = client.next_message().await;
        assert_eq!(told.name, "$reconnect");
        waits.push(told.data["after_ms"].as_u64().unwrap());
        assert_eq!(client.closed().await.code(), CloseCode::SERVICE_RESTART);
    }
    assert!(waits.iter().all(|wait| *wait <= 4000), "{waits:?}");
    let (early, late) =
        (waits.iter().filter(|wait| **wait < 2000).count(), waits.iter().filter(|wait| **wait >= 2000).count());
    assert!(early > 10 && late > 10, "spread over the delay: {waits:?}");
    plain.assert_silent().await;
    assert_eq!(plain.closed().await.code(), CloseCode::SERVICE_RESTART);
    stage.layer.drained().await;
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_written_before_the_end() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.stop_reading();
    ada.send("many", &json!({"count": 100})).await;
    stage.until(|_| stage.layer.stats().messages_in == 1).await;
    stage.layer.drain();
    tokio::time::sleep(Duration::from_secs(1)).await;
    ada.go_on_reading();
    for number in 0..100 {
        assert_eq!(ada.recv::<Text>().await.text, number.to_string());
    }
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_runs_may_finish() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send("wait", &json!({"millis": 3000})).await;
    stage.until(|world| world.entered() == 1).await;
    let began = tokio::time::Instant::now();
    let drained = stage.layer.drained().await;
    assert_eq!((drained.dropped, stage.world.finished()), (0, 1));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(ada.recv::<Text>().await.text, "waited", "and its reply comes before the close");
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_is_none_and_an_empty_one_ends_at_once() {
    let stage = Stage::new(World::default());
    let began = tokio::time::Instant::now();
    stage.layer.drain();
    stage.layer.drain();
    assert_eq!(stage.layer.drained().await.dropped, 0);
    assert_eq!(stage.layer.drained().await.dropped, 0);
    assert!(began.elapsed() < Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_signal_begins_it() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let (signal, wait) = tokio::sync::oneshot::channel::<()>();
    let shutdown = tokio::spawn(stage.layer.shutdown_on(wait));
    ada.assert_silent().await;
    assert!(!shutdown.is_finished());
    signal.send(()).unwrap();
    shutdown.await.unwrap();
    assert!(stage.layer.manager().is_draining());
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
}

#[tokio::test(start_paused = true)]
async fn nobody_slips_in_while_the_backend_thinks() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let gate = watched.hold_admissions();
    let connecting = tokio::spawn(stage.connecting("ada").into_future());
    stage.until(|_| watched.held_admissions() == 1).await;
    stage.layer.drain();
    let layer = stage.layer.clone();
    let drained = tokio::spawn(async move { layer.drained().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.add_permits(1);
    assert_eq!(connecting.await.unwrap().unwrap_err().status(), 503);
    let began = tokio::time::Instant::now();
    assert_eq!(drained.await.unwrap().dropped, 0);
    assert!(began.elapsed() < Duration::from_secs(1));
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_does_not_hold_it_up() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let _gate = watched.hold_admissions();
    let connecting = tokio::spawn(stage.connecting("ada").into_future());
    stage.until(|_| watched.held_admissions() == 1).await;
    let timeout = stage.layer.config().drain_timeout();
    let began = tokio::time::Instant::now();
    stage.layer.drained().await;
    assert!(began.elapsed() < timeout + Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(connecting.await.unwrap().unwrap_err().status(), 503);
}

/// Nothing but the server's word ends a session that waits for its client; all of them get it, however short the time.
#[tokio::test(start_paused = true)]
async fn a_drain_without_time_tells_everybody_all_the_same() {
    let config = Config::builder().drain_timeout(Duration::ZERO).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let mut clients = Vec::new();
    for _ in 0..1000 {
        clients.push(stage.connect("-").await);
    }
    stage.layer.drained().await;
    for client in &mut clients {
        assert_eq!(client.closed().await.code(), CloseCode::SERVICE_RESTART);
    }
    assert_eq!(stage.world.ends().len(), 1000);
    stage.empty().await;
}
