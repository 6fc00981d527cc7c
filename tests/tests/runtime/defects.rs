//! The defects of the system that this one replaces: each has a test that it is not here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use channels::testing::Client;
use channels::{ChannelLayer, CloseCode, Config, ConnectionState};
use channels_tests::cluster;
use channels_tests::probe::{Group, SECRET, ServerMessage, Stage, Text, World};
use channels_tests::watched::{Calls, Watched};
use serde_json::json;

fn said(text: impl Into<String>) -> ServerMessage {
    ServerMessage::Said(Text { text: text.into() })
}

fn in_a_room() -> World {
    World { groups: vec!["room"], ..World::default() }
}

async fn member(stage: &Stage, user: &str) -> Client {
    let client = stage.connect(user).await;
    stage.until(|_| client.connection().state() == ConnectionState::Connected).await;
    client
}

/// 200 pipelined publishes, and the seed received one.
#[tokio::test(start_paused = true)]
async fn defect_01_messages_between_two_receives_are_not_lost() {
    let stage = Stage::new(in_a_room());
    let mut ada = member(&stage, "ada").await;
    let sent: Vec<_> = (0..200).map(|number| stage.layer.send_to_group("room", said(number.to_string()))).collect();
    for receipt in futures_util::future::join_all(sent).await {
        assert_eq!(receipt.unwrap().local, 1);
    }
    for number in 0..200 {
        assert_eq!(ada.recv::<Text>().await.text, number.to_string());
    }
    ada.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn defect_02_a_second_servers_start_leaves_the_first_one_alone() {
    let nodes = cluster::nodes(2);
    let mut stages = Vec::new();
    let mut ada = None;
    for node in nodes {
        let layer = ChannelLayer::builder(Config::default()).backend(node).connect().await.unwrap();
        stages.push(Stage::over(in_a_room(), layer));
        if ada.is_none() {
            ada = Some(member(&stages[0], "ada").await);
        }
    }
    let mut ada = ada.unwrap();
    let mut bob = member(&stages[1], "bob").await;
    assert_eq!(stages[0].counts().await, (1, 1, 1, 2, 2));
    assert!(ada.connection().is_in("room"));
    stages[1].layer.send_to_group("room", said("from the second")).await.unwrap();
    stages[1].layer.send_to_user("ada", said("to a user")).await.unwrap();
    stages[1].layer.send_to_connection(ada.connection().id(), said("to a connection")).await.unwrap();
    for text in ["from the second", "to a user", "to a connection"] {
        assert_eq!(ada.recv::<Text>().await.text, text);
    }
    assert_eq!(bob.recv::<Text>().await.text, "from the second");
    stages[1].layer.drained().await;
    assert_eq!(bob.closed().await.code(), CloseCode::SERVICE_RESTART);
    stages[0].layer.send_to_group("room", said("still here")).await.unwrap();
    assert_eq!(ada.recv::<Text>().await.text, "still here", "nor does its end");
}

#[tokio::test(start_paused = true)]
async fn defect_03_invalid_json_and_too_much_cost_neither_socket_nor_registry() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send_text("{no json").await;
    assert_eq!(ada.next_message().await.data["error_code"], "INVALID_JSON");
    for number in 0..5 {
        ada.send_json(&json!({"type": "limited"})).await;
        assert_eq!(ada.next_message().await.name, if number < 3 { "said" } else { "error" });
    }
    ada.send("echo", &Text { text: "alive".into() }).await;
    assert_eq!(ada.recv::<Text>().await.text, "alive");
    ada.close(1000).await;
    assert_eq!(ada.closed().await.code(), CloseCode::NORMAL);
    stage.empty().await;
}

/// Above the rate, the rate itself passes in every minute; a reconnect resets nothing. (That who has their
/// allowance back is forgotten, is a test beside the limiter.)
#[tokio::test(start_paused = true)]
async fn defect_04_a_rate_limit_never_starves_and_is_never_reset() {
    let vars = [("WS_RATE_LIMITS", "limited=100/60s")];
    let stage = Stage::with(World::default(), Config::builder().vars(vars).unwrap().build().unwrap());
    let mut ada = stage.connect("ada").await;
    let mut passed = Vec::new();
    for _minute in 0..10 {
        let mut here = 0;
        for number in 0..120 {
            if number == 60 {
                // In another connection it is the same user.
                ada = stage.connect("ada").await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            ada.send_json(&json!({"type": "limited"})).await;
            here += usize::from(ada.next_message().await.name == "said");
        }
        passed.push(here);
    }
    assert!(passed.iter().all(|passed| *passed >= 99), "no minute starves: {passed:?}");
    assert!(passed[6..].iter().all(|passed| *passed <= 101), "and a reconnect gives nothing: {passed:?}");
}

#[tokio::test(start_paused = true)]
async fn defect_05_the_heartbeat_survives_who_connects_during_its_sweep() {
    let config =
        Config::builder().heartbeat_interval(Duration::from_millis(40)).heartbeat_timeout(Duration::from_millis(80));
    let stage = Stage::with(World::default(), config.build().unwrap());
    for round in 0..100 {
        let client = stage.connect(&format!("user-{round}")).await;
        tokio::time::sleep(Duration::from_millis(7)).await;
        drop(client);
    }
    let mut silent = stage.connect("silent").await;
    silent.stop_answering();
    assert_eq!(silent.closed().await.code(), CloseCode::HEARTBEAT_LOST);
}

#[tokio::test(start_paused = true)]
async fn defect_06_who_sends_all_the_time_is_alive() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.stop_answering();
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        ada.send_json(&json!({"type": "quiet"})).await;
    }
    assert_eq!(ada.connection().state(), ConnectionState::Connected);
    assert_eq!(ada.pings(), 0);
}

#[tokio::test(start_paused = true)]
async fn defect_07_a_message_to_a_group_is_one_publish_whatever_its_members() {
    let watched = Watched::default();
    let stage = Stage::over(in_a_room(), watched.layer().await);
    let mut clients = Vec::new();
    for number in 0..50 {
        clients.push(member(&stage, &format!("user-{number}")).await);
    }
    let before = watched.calls();
    assert_eq!(stage.layer.send_to_group("room", said("hi")).await.unwrap().local, 50);
    assert_eq!(stage.layer.broadcast(said("hi")).await.unwrap().local, 50);
    assert_eq!(watched.calls(), Calls { publishes: 2, ..before });
    for client in &mut clients {
        assert_eq!(client.recv::<Text>().await.text, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn defect_08_an_idle_connection_asks_nothing_of_the_backend() {
    let watched = Watched::default();
    let stage = Stage::over(in_a_room(), watched.layer().await);
    let _ada = member(&stage, "ada").await;
    let calls = Calls { publishes: 0, subscribes: 2, others: 1 };
    assert_eq!(watched.calls(), calls, "its user, its group, its place");
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(watched.calls(), calls, "and nothing since");
}

#[tokio::test(start_paused = true)]
async fn defect_09_a_quiet_group_keeps_its_members() {
    let stage = Stage::new(in_a_room());
    let mut ada = member(&stage, "ada").await;
    tokio::time::sleep(Duration::from_secs(6 * 3600)).await;
    assert_eq!(stage.layer.registry().group_len("room"), 1);
    stage.layer.send_to_group("room", said("after hours")).await.unwrap();
    assert_eq!(ada.recv::<Text>().await.text, "after hours");
}

#[tokio::test(start_paused = true)]
async fn defect_10_a_name_that_contains_the_prefix_is_a_name() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ws:ada").await;
    for group in ["ws:", "ws:room", "a ws: b", "ws:ws:", "{ws:}"] {
        ada.request(1, "join", &Group { group: group.into() }).await;
        assert_eq!(ada.next_message().await.name, "$ok");
        assert_eq!(stage.layer.send_to_group(group, said(group)).await.unwrap().local, 1);
        assert_eq!(ada.recv::<Text>().await.text, group);
    }
    assert_eq!(stage.layer.send_to_user("ws:ada", said("user")).await.unwrap().local, 1);
    assert_eq!(stage.layer.send_to_user("ada", said("user")).await.unwrap().local, 0);
}

#[tokio::test(start_paused = true)]
async fn defect_11_a_clean_close_is_reported_as_clean() {
    let stage = Stage::new(World::default());
    for code in [1000, 1001] {
        let mut ada = stage.connect("ada").await;
        ada.close(code).await;
        assert_eq!(ada.closed().await.code().as_u16(), code, "the client's own code is the answer");
        stage.empty().await;
        let end = stage.world.ends().pop().unwrap();
        assert_eq!((end.code, end.clean), (code, true));
    }
}

/// Two servers together, at once; and what a server had is free when it is gone.
#[tokio::test(start_paused = true)]
async fn defect_12_servers_share_limits_that_nobody_exceeds() {
    let config = Config::builder().max_connections_per_client(3).max_total_connections(5).build().unwrap();
    let mut stages = Vec::new();
    for node in cluster::nodes(2) {
        let layer = ChannelLayer::builder(config.clone()).backend(node).connect().await.unwrap();
        stages.push(Stage::over(World::default(), layer));
    }
    let asked = (0..20).map(|number| stages[number % 2].try_connect("ada"));
    let answers = futures_util::future::join_all(asked).await;
    let (inside, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(inside.len(), 3);
    assert!(refused.into_iter().all(|refused| refused.unwrap_err().status() == 429), "before the upgrade");
    let others = [stages[0].connect("bob").await, stages[1].connect("eve").await];
    assert_eq!(stages[0].try_connect("joe").await.unwrap_err().status(), 503, "before the upgrade");
    drop((inside, others));
    for stage in &stages {
        stage.empty().await;
    }
}

/// The slow one is closed, within bounds; everybody else gets everything at once.
#[tokio::test(start_paused = true)]
async fn defect_13_a_slow_client_delays_nobody_and_is_bounded() {
    let config = Config::builder().outbox_messages(100).build().unwrap();
    let stage = Stage::with(in_a_room(), config);
    let mut slow = member(&stage, "slow").await;
    let mut ada = member(&stage, "ada").await;
    slow.stop_reading();
    let began = tokio::time::Instant::now();
    for number in 0..1000 {
        stage.layer.send_to_group("room", said(number.to_string())).await.unwrap();
        assert_eq!(ada.recv::<Text>().await.text, number.to_string());
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    stage.until(|world| world.ends().iter().any(|end| end.code == 4413)).await;
    slow.go_on_reading();
    assert_eq!(slow.closed().await.code(), CloseCode::OUTBOX_FULL, "it reconnects and asks for what it missed");
    assert!(stage.layer.stats().dropped > 100);
}

/// Counts how often it is serialized.
#[derive(Clone)]
struct Weighed(Arc<AtomicUsize>);

impl serde::Serialize for Weighed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        serializer.serialize_str("weighed")
    }
}

#[derive(Clone, channels::Outgoing)]
enum Heavy {
    Weighed(Weighed),
}

#[tokio::test(start_paused = true)]
async fn defect_14_a_message_is_serialized_once_and_its_bytes_counted_once() {
    let stage = Stage::new(in_a_room());
    let mut clients = Vec::new();
    for number in 0..20 {
        let connecting = stage.connecting(&format!("user-{number}"));
        // Others' encodings are made of the finished JSON.
        let client = if number < 5 { connecting.protocol("channels.v1.msgpack") } else { connecting };
        clients.push(client.await.unwrap());
    }
    for client in &clients {
        stage.until(|_| client.connection().state() == ConnectionState::Connected).await;
    }
    let times = Arc::new(AtomicUsize::new(0));
    stage.layer.send_to_group("room", Heavy::Weighed(Weighed(Arc::clone(&times)))).await.unwrap();
    let mut bytes = 0;
    for client in &mut clients {
        bytes += client.next_frame().await.len() as u64;
    }
    assert_eq!(times.load(Ordering::SeqCst), 1);
    assert_eq!((stage.layer.stats().messages_out, stage.layer.stats().bytes_out), (20, bytes));
}

/// What is too large is refused unread (over a socket: `sockets`); 10 MB of bytes fit in 10 MB.
#[tokio::test(start_paused = true)]
async fn defect_15_size_is_checked_before_parsing_and_a_file_fits_as_bytes() {
    use channels::prelude::*;

    #[derive(Default)]
    struct Files;

    #[consumer]
    impl Files {
        #[on_text]
        fn text(&self, text: ByteString) -> ByteString {
            text
        }

        #[on_binary]
        fn binary(&self, data: Bytes) -> Bytes {
            data
        }
    }

    let layer = ChannelLayer::memory();
    let limit = channels::middleware::Validation::new().max_size(layer.config().max_message_size());
    let app = axum::Router::new().route("/", layer.serve::<Files>().middleware(limit).into_route());
    let mut ada = channels::testing::connect_to(&app).await.unwrap();
    let file = vec![0xff; 10 << 20];
    ada.send_binary(file.clone()).await;
    let channels::message::Frame::Binary(back) = ada.next_frame().await else { panic!("no bytes") };
    assert!(back == file);
    ada.send_binary(vec![0xff; (10 << 20) + 1]).await;
    assert_eq!(ada.next_message().await.data["error_code"], "VALIDATION_FAILED");
}

#[tokio::test(start_paused = true)]
async fn defect_16_what_an_error_says_inside_stays_inside() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    for frame in [json!({"type": "panic"}), json!({"type": "fail", "data": {"how": "secret"}})] {
        ada.send_json(&frame).await;
        let told = ada.next_message().await;
        assert_eq!(told.data["message"], "Something went wrong on the server.");
        assert!(!told.data.to_string().contains(SECRET));
        assert_eq!(told.data["details"], json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn defect_17_a_shutdown_asks_to_reconnect() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    stage.layer.drained().await;
    let reason = ada.closed().await;
    assert_eq!(reason.code(), CloseCode::SERVICE_RESTART);
    assert!(reason.code().asks_to_reconnect());
}

#[tokio::test(start_paused = true)]
async fn defect_18_a_second_layer_has_its_own_configuration_and_connections() {
    let small = Config::builder().max_connections_per_client(1).server_instance_id("small").build().unwrap();
    let large = Config::builder().max_connections_per_client(2).server_instance_id("large").build().unwrap();
    let (small, large) = (Stage::with(in_a_room(), small), Stage::with(in_a_room(), large));
    let _ada = small.connect("ada").await;
    small.try_connect("ada").await.unwrap_err();
    let _inside = [large.connect("ada").await, large.connect("ada").await];
    large.try_connect("ada").await.unwrap_err();
    assert_eq!(small.layer.config().server_instance_id(), "small");
    large.until(|_| large.layer.registry().group_len("room") == 2).await;
    assert_eq!(large.layer.send_to_group("room", said("x")).await.unwrap().local, 2);
    assert_eq!(small.layer.stats().messages_out, 0);
}
