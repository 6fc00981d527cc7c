//! The session between connect and disconnect: what it reads while a handler waits, what it logs, and
//! who answers its errors.

use std::sync::Arc;
use std::time::Duration;

use channels::prelude::*;
use channels::testing;
use channels::{ConnectionState, Error};
use channels_tests::logs::Logs;
use channels_tests::probe::{Act, Failure, SECRET, Stage, Text, World};
use serde_json::json;
use tracing::Level;

#[tokio::test(start_paused = true)]
async fn a_connection_goes_through_its_states() {
    let stage = Stage::new(World { on_connect: Act::Wait(Duration::from_secs(1)), ..World::default() });
    let mut ada = stage.connect("ada").await;
    let connection = ada.connection().clone();
    assert_eq!(connection.state(), ConnectionState::Connecting);
    stage.until(|_| connection.state() == ConnectionState::Connected).await;
    assert_eq!(connection.user().unwrap().as_str(), "ada");
    ada.close(1000).await;
    stage.until(|_| connection.state() == ConnectionState::Disconnected).await;
    assert_eq!(stage.world.ends()[0].state, ConnectionState::Disconnecting);
}

#[tokio::test(start_paused = true)]
async fn what_others_send_follows_what_connect_says() {
    let world = World { groups: vec!["lobby"], on_connect: Act::Wait(Duration::from_secs(1)), ..World::default() };
    let stage = Stage::new(world);
    let mut ada = stage.connect("ada").await;
    ada.joined("lobby").await;
    let early = channels_tests::probe::ServerMessage::Said(Text { text: "early".into() });
    let receipt = stage.layer.send_to_group("lobby", early).await.unwrap();
    assert_eq!(receipt.local, 1, "it is taken");
    ada.assert_silent().await;
    assert_eq!(ada.recv::<Text>().await.text, "early");
    assert_eq!(ada.connection().state(), ConnectionState::Connected);
}

#[tokio::test(start_paused = true)]
async fn control_frames_are_read_while_a_handler_waits() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send_json(&json!({"type": "hang"})).await;
    stage.until(|world| world.entered() == 1).await;
    let began = tokio::time::Instant::now();
    ada.close(1000).await;
    stage.until(|world| world.ends().len() == 1).await;
    assert!(began.elapsed() < Duration::from_secs(11), "the close was not seen for {:?}", began.elapsed());
    assert!(stage.world.ends()[0].clean);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_no_lost_heartbeat() {
    let config = channels::Config::builder()
        .heartbeat_interval(Duration::from_secs(1))
        .heartbeat_timeout(Duration::from_secs(2))
        .handler_timeout(Duration::from_secs(60));
    let stage = Stage::with(World::default(), config.build().unwrap());
    let mut ada = stage.connect("ada").await;
    ada.stop_answering();
    ada.send("wait", &json!({"millis": 20_000})).await;
    let began = tokio::time::Instant::now();
    assert_eq!(ada.recv::<Text>().await.text, "waited");
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn one_connection_is_handled_in_order_and_others_meanwhile() {
    let stage = Stage::new(World::default());
    let (mut ada, mut bob) = (stage.connect("ada").await, stage.connect("bob").await);
    ada.send("wait", &json!({"millis": 5_000})).await;
    ada.send("echo", &Text { text: "after".into() }).await;
    let began = tokio::time::Instant::now();
    bob.send("echo", &Text { text: "meanwhile".into() }).await;
    assert_eq!(bob.recv::<Text>().await.text, "meanwhile");
    assert!(began.elapsed() < Duration::from_millis(100));
    assert_eq!(ada.recv::<Text>().await.text, "waited");
    assert_eq!(ada.recv::<Text>().await.text, "after");
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_logged_with_the_id_that_the_client_gets_and_nothing_else_is_told() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let logs = Logs::listen();
    for frame in [json!({"type": "panic"}), json!({"type": "fail", "data": {"how": "secret"}})] {
        ada.send_json(&frame).await;
        let told = ada.next_message().await;
        assert_eq!(told.data["error_code"], "SYSTEM_ERROR");
        assert!(!told.data.to_string().contains("hunter2"), "{}", told.data);
        let lines = logs.with("error_id", told.data["error_id"].as_str().unwrap());
        let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
        assert_eq!(line.level, Level::ERROR);
        assert!(line.get("cause").contains(SECRET), "{line:?}");
        assert_eq!((line.get("user"), line.get("error_code")), ("ada", "SYSTEM_ERROR"));
        assert_eq!(line.get("message_type"), frame["type"].as_str().unwrap());
        assert_eq!(line.get("connection"), ada.connection().id().to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_clients_mistake_is_no_error_in_the_log() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let logs = Logs::listen();
    ada.send_text("{").await;
    let told = ada.next_message().await;
    let lines = logs.with("error_id", told.data["error_id"].as_str().unwrap());
    assert_eq!(lines.iter().map(|line| line.level).collect::<Vec<_>>(), [Level::DEBUG]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_disconnect_is_logged() {
    let stage = Stage::new(World { on_disconnect: Act::Panic, ..World::default() });
    let logs = Logs::listen();
    drop(stage.connect("ada").await);
    stage.empty().await;
    assert_eq!(logs.with("cause", SECRET).len(), 1);
}

#[derive(Debug, Incoming)]
enum Ask {
    Fail(Failure),
    Panic,
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Sorry(Text),
}

/// Takes over how its errors are answered.
#[derive(Default)]
struct Polite {
    answered: usize,
}

#[consumer(incoming = Ask, outgoing = Tell)]
impl Polite {
    #[on("fail")]
    fn fail(&self, fail: Failure) -> Result<(), Error> {
        let error = Error::authorization(fail.how.clone());
        Err(if fail.how == "close" { error.closing(CloseCode::POLICY_VIOLATION) } else { error })
    }

    #[on("panic")]
    fn panic(&self) {
        panic!("{SECRET}");
    }

    #[error]
    async fn sorry(&mut self, error: Error) -> Result<Text, Error> {
        self.answered += 1;
        match error.message() {
            "as it is" => Err(error),
            "panic" => panic!("{SECRET}"),
            words => Ok(Text { text: format!("{} {words}", self.answered) }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_take_over_how_its_errors_are_answered() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Polite>(&layer, ()).await.unwrap();
    ada.request(1, "fail", &json!({"how": "no"})).await;
    let told = ada.next_message().await;
    assert_eq!((&*told.name, told.data["text"].as_str(), told.re), ("sorry", Some("1 no"), Some(json!(1))));
    ada.send_text("{").await;
    let told = ada.next_message().await;
    assert!(told.data["text"].as_str().unwrap().starts_with("2 This is no JSON"), "envelopes too: {told:?}");
    ada.request(2, "panic", &json!({})).await;
    let told = ada.next_message().await;
    assert_eq!((told.data["text"].as_str(), told.re), (Some("3 Something went wrong on the server."), Some(json!(2))));
    ada.request(3, "fail", &json!({"how": "as it is"})).await;
    let told = ada.next_message().await;
    assert_eq!((&*told.name, told.re), ("error", Some(json!(3))));
    ada.request(4, "fail", &json!({"how": "panic"})).await;
    let told = ada.next_message().await;
    assert_eq!((&told.data["error_code"], told.re), (&json!("SYSTEM_ERROR"), Some(json!(4))));
    assert!(!told.data.to_string().contains("hunter2"));
    ada.send("fail", &json!({"how": "close"})).await;
    assert_eq!(ada.next_message().await.data["text"], "6 close");
    assert_eq!(ada.closed().await.code(), CloseCode::POLICY_VIOLATION, "whatever is answered, it closes");
    assert_eq!(
        layer.stats().errors_total(),
        7,
        "the hook answers, and the runtime counts: six, and the hook's own panic"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_elsewhere_ends_this_connection_only() {
    /// Looks at frames, and breaks at some.
    struct Fragile;

    impl Middleware for Fragile {
        fn inspect(&self, frame: &channels::message::Frame, _: &Connection) -> Result<(), Error> {
            assert_ne!(frame.len(), 1, "{SECRET}");
            Ok(())
        }

        async fn handle(&self, message: channels::message::Message, next: Next<'_>) -> Result<(), Error> {
            assert_ne!(message.name(), "quiet", "{SECRET}");
            next.run(message).await
        }
    }
    let (layer, world) = (ChannelLayer::memory(), Arc::<World>::default());
    let serve = layer.serve::<channels_tests::probe::Probe>().middleware(Fragile);
    let app = axum::Router::new().route("/ws/{user}", serve.into_route()).with_state(Arc::clone(&world));
    let mut ada = testing::connect_to(&app).path("/ws/ada").await.unwrap();
    for frame in ["7", r#"{"type":"quiet"}"#] {
        ada.send_text(frame).await;
        assert_eq!(ada.next_message().await.data["error_code"], "SYSTEM_ERROR", "{frame}");
    }
    ada.send("echo", &Text { text: "alive".into() }).await;
    assert_eq!(ada.recv::<Text>().await.text, "alive");
}
