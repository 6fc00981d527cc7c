//! `#[disconnect]` runs once on every way out, while the groups are still readable, and leaves nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use channels::testing::Client;
use channels::{CloseCode, CloseReason, ClosedBy, Config, ConnectionState, Error};
use channels_tests::probe::{Act, Group, Millis, Stage, Text, World};
use serde_json::json;

fn world() -> World {
    World { groups: vec!["lobby", "rust"], ..World::default() }
}

/// Connects, leaves in one way, and checks all that is promised of the end.
async fn leaves(stage: &Stage, code: u16, by: ClosedBy, leave: impl AsyncFnOnce(&mut Client)) {
    let mut ada = stage.connect("ada").await;
    ada.joined("rust").await;
    let bob = stage.connect("bob").await;
    bob.joined("rust").await;
    let connection = ada.connection().clone();
    leave(&mut ada).await;
    drop(ada);
    stage.until(|world| !world.ends().is_empty()).await;
    stage.until(|_| connection.state() == ConnectionState::Disconnected).await;
    let [end] = &stage.world.ends()[..] else { panic!("not once: {:?}", stage.world.ends()) };
    assert_eq!((end.code, end.by), (code, by));
    assert_eq!(end.groups, ["lobby", "rust"], "the groups are readable");
    assert_eq!(end.state, ConnectionState::Disconnecting);
    assert_eq!(connection.groups(), [""; 0], "and then left");
    assert_eq!(stage.world.connects.load(Ordering::SeqCst), 2);
    // Who stays is not disturbed.
    assert_eq!(bob.connection().state(), ConnectionState::Connected);
    assert_eq!(stage.layer.registry().group_len("rust"), 1);
    drop(bob);
    stage.until(|world| world.ends().len() == 2).await;
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_clean_close() {
    let stage = Stage::new(world());
    leaves(&stage, 1000, ClosedBy::Client, async |ada| {
        ada.close(1000).await;
        assert_eq!(ada.closed().await.code(), CloseCode::NORMAL);
    })
    .await;
    assert!(stage.world.ends()[0].clean);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection() {
    let stage = Stage::new(world());
    leaves(&stage, 1006, ClosedBy::Lost, async |ada| ada.lose()).await;
    assert!(!stage.world.ends()[0].clean);
}

#[tokio::test(start_paused = true)]
async fn a_close_by_the_application() {
    leaves(&Stage::new(world()), 4501, ClosedBy::Server, async |ada| {
        ada.send_json(&json!({"type": "close"})).await;
        let reason = ada.closed().await;
        assert_eq!((reason.code(), reason.text()), (CloseCode::CLOSED_BY_APPLICATION, "enough"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_close_from_outside() {
    let stage = Stage::new(world());
    leaves(&stage, 1008, ClosedBy::Server, async |ada| {
        let reason = CloseReason::server(CloseCode::POLICY_VIOLATION, "banned");
        assert!(stage.layer.disconnect(ada.connection().id(), reason));
        assert_eq!(ada.closed().await.text(), "banned");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_error_that_closes() {
    leaves(&Stage::new(world()), 1008, ClosedBy::Server, async |ada| {
        ada.send("fail", &json!({"how": "closing"})).await;
        let told = ada.next_message().await;
        assert_eq!(told.data["error_code"], "AUTHORIZATION_FAILED", "told before it is closed");
        assert_eq!(ada.closed().await.code(), CloseCode::POLICY_VIOLATION);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox() {
    let config = Config::builder().outbox_messages(8).build().unwrap();
    leaves(&Stage::with(world(), config), 4413, ClosedBy::Server, async |ada| {
        ada.stop_reading();
        ada.send("many", &json!({"count": 100})).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_lost() {
    let config = Config::builder().heartbeat_interval(Duration::from_secs(3)).heartbeat_timeout(Duration::from_secs(6));
    leaves(&Stage::with(world(), config.build().unwrap()), 4408, ClosedBy::Server, async |ada| {
        ada.stop_answering();
        assert_eq!(ada.closed().await.code(), CloseCode::HEARTBEAT_LOST);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_handler_is_no_end() {
    let stage = Stage::new(world());
    leaves(&stage, 1000, ClosedBy::Client, async |ada| {
        ada.send_json(&json!({"type": "panic"})).await;
        assert_eq!(ada.next_message().await.data["error_code"], "SYSTEM_ERROR");
        ada.send("echo", &Text { text: "alive".into() }).await;
        assert_eq!(ada.recv::<Text>().await.text, "alive");
        ada.close(1000).await;
        ada.closed().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drain() {
    let stage = Stage::new(world());
    let mut ada = stage.connect("ada").await;
    ada.joined("rust").await;
    stage.layer.drain();
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
    assert_eq!(stage.layer.drained().await.dropped, 0);
    let [end] = &stage.world.ends()[..] else { panic!("not once: {:?}", stage.world.ends()) };
    assert_eq!((end.code, end.by, end.groups.len()), (1012, ClosedBy::Server, 2));
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_drain_ends_a_handler_and_not_the_promise() {
    let config = Config::builder()
        .drain_timeout(Duration::from_secs(2))
        .disconnect_timeout(Duration::from_secs(60))
        .handler_timeout(Duration::from_secs(600));
    let stage = Stage::with(world(), config.build().unwrap());
    let mut ada = stage.connect("ada").await;
    ada.joined("rust").await;
    ada.send_json(&json!({"type": "hang"})).await;
    stage.until(|world| world.entered() == 1).await;
    let began = tokio::time::Instant::now();
    let drained = stage.layer.drained().await;
    assert_eq!(drained.dropped, 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let [end] = &stage.world.ends()[..] else { panic!("not once: {:?}", stage.world.ends()) };
    assert_eq!((end.code, end.by, end.groups.len()), (1012, ClosedBy::Server, 2));
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_ever_for_a_disconnect_hook() {
    let config = Config::builder().drain_timeout(Duration::from_secs(2)).disconnect_timeout(Duration::from_secs(3));
    let stage = Stage::with(World { on_disconnect: Act::Hang, ..world() }, config.build().unwrap());
    let ada = stage.connect("ada").await;
    ada.joined("rust").await;
    let began = tokio::time::Instant::now();
    stage.layer.drained().await;
    assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(stage.world.ends().len(), 1);
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_connect_was_entered_and_so_has_its_end() {
    let failing = || Error::authentication("no").closing(CloseCode::POLICY_VIOLATION);
    let config = Config::builder().handler_timeout(Duration::from_secs(5)).build().unwrap();
    let harmless = || Error::backend("no history now").not_closing();
    let acts = [
        (Act::Fail(failing), Some(1008)),
        (Act::Panic, Some(1011)),
        (Act::Hang, Some(1011)),
        (Act::Fail(harmless), None),
    ];
    for (act, code) in acts {
        let stage = Stage::with(World { on_connect: act, ..world() }, config.clone());
        let mut ada = stage.connect("ada").await;
        let told = ada.next_message().await;
        assert_eq!(told.name, "error");
        if code.is_none() {
            // It lives on where the error says so.
            ada.send("echo", &Text { text: "alive".into() }).await;
            assert_eq!(ada.recv::<Text>().await.text, "alive");
            ada.close(1000).await;
        }
        ada.closed().await;
        stage.until(|world| !world.ends().is_empty()).await;
        stage.empty().await;
        let [end] = &stage.world.ends()[..] else { panic!("not once: {:?}", stage.world.ends()) };
        assert_eq!(end.code, code.unwrap_or(1000));
        assert_eq!(end.groups, ["lobby", "rust"]);
        assert_eq!(stage.world.connects.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_hook_that_fails_leaves_nothing() {
    let config = Config::builder().disconnect_timeout(Duration::from_secs(5)).build().unwrap();
    for act in [Act::Panic, Act::Hang, Act::Fail(|| Error::internal("x"))] {
        let stage = Stage::with(World { on_disconnect: act, ..world() }, config.clone());
        let mut ada = stage.connect("ada").await;
        ada.joined("rust").await;
        ada.close(1000).await;
        assert_eq!(ada.closed().await.code(), CloseCode::NORMAL, "the client does not wait for it");
        stage.empty().await;
        assert_eq!(stage.world.ends().len(), 1);
        assert_eq!(stage.layer.stats().errors_total(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_had_no_connect_and_has_no_disconnect() {
    let config = Config::builder().max_connections_per_client(1).build().unwrap();
    let stage = Stage::with(world(), config);
    let ada = stage.connect("ada").await;
    stage.try_connect("ada").await.unwrap_err();
    drop(ada);
    stage.empty().await;
    assert_eq!((stage.world.connects.load(Ordering::SeqCst), stage.world.ends().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_after_the_end() {
    let stage = Stage::new(world());
    let mut ada = stage.connect("ada").await;
    ada.joined("rust").await;
    let connection = ada.connection().clone();
    ada.close(1000).await;
    stage.empty().await;
    assert!(connection.join("late").await.is_err());
    assert!(!connection.leave("rust"));
    assert!(connection.send(channels_tests::probe::ServerMessage::Said(Text { text: "late".into() })).is_err());
    assert_eq!(stage.layer.registry().group_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_finish_when_its_client_has_gone_up_to_the_deadline() {
    let config = Config::builder().disconnect_timeout(Duration::from_secs(2)).build().unwrap();
    for (millis, finishes) in [(1500, true), (2500, false)] {
        let stage = Stage::with(world(), config.clone());
        let mut ada = stage.connect("ada").await;
        ada.send("wait", &Millis { millis }).await;
        stage.until(|world| world.entered() == 1).await;
        ada.lose();
        stage.empty().await;
        assert_eq!(stage.world.finished() == 1, finishes, "{millis}");
        assert_eq!(stage.world.ends().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_slow_handler_shares_its_deadline_when_the_client_has_gone() {
    let config = Config::builder()
        .disconnect_timeout(Duration::from_secs(2))
        .handler_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let stage = Stage::with(world(), config);
    let mut ada = stage.connect("ada").await;
    for _ in 0..20 {
        ada.send_json(&json!({"type": "hang"})).await;
    }
    stage.until(|world| world.entered() == 1).await;
    let left = tokio::time::Instant::now();
    ada.close(1000).await;
    stage.empty().await;
    assert!(left.elapsed() < Duration::from_secs(3), "took {:?}", left.elapsed());
    assert_eq!(stage.world.ends().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_before_a_close_frame_are_handled() {
    let stage = Stage::new(world());
    let mut ada = stage.connect("ada").await;
    ada.send("wait", &Millis { millis: 500 }).await;
    for number in 0..10 {
        ada.send("echo", &Text { text: number.to_string() }).await;
    }
    ada.send("join", &Group { group: "last".into() }).await;
    ada.close(1000).await;
    stage.empty().await;
    assert_eq!(stage.world.texts(), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(stage.world.ends()[0].groups, ["last", "lobby", "rust"]);
}
