//! Numbers: each thing counted once.

use std::time::Duration;

use channels::{Category, Config};
use channels_tests::logs::Logs;
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn messages_and_bytes_are_counted_once() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = stage.connect("ada").await;
        client.joined("all").await;
        clients.push(client);
    }
    let frame = json!({"type": "echo", "data": {"text": "é"}}).to_string();
    let answer = r#"{"type":"said","data":{"text":"é"}}"#;
    for client in &mut clients {
        client.send_text(frame.clone()).await;
        client.recv::<Text>().await;
    }
    clients[0].send_binary(vec![0; 10]).await;
    let refusal = match clients[0].next_frame().await {
        channels::message::Frame::Text(text) => text.len() as u64,
        other => panic!("{other:?}"),
    };
    let receipt = stage.layer.send_to_group("all", ServerMessage::Said(Text { text: "é".into() })).await.unwrap();
    assert_eq!((receipt.local, receipt.servers), (3, Some(1)));
    for client in &mut clients {
        client.recv::<Text>().await;
    }
    let stats = stage.layer.stats();
    assert_eq!((stats.connections, stats.users, stats.groups, stats.connections_total), (3, 1, 1, 3));
    assert_eq!((stats.messages_in, stats.bytes_in), (4, 3 * frame.len() as u64 + 10));
    assert_eq!((stats.messages_out, stats.bytes_out), (7, 6 * answer.len() as u64 + refusal));
    assert_eq!((stats.errors(Category::Message), stats.errors_total()), (1, 1));
    assert_eq!((stats.dropped, stats.expired, stats.refused), (0, 0, 0));
    let own = clients[0].connection().counters();
    assert_eq!((own.messages_in, own.bytes_in), (2, frame.len() as u64 + 10));
    assert_eq!((own.messages_out, own.bytes_out), (3, 2 * answer.len() as u64 + refusal));
    drop(clients);
    stage.empty().await;
    assert_eq!(stage.layer.stats().connections_total, 3);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_an_outbox_is_no_message_out_until_it_is_written() {
    let config = Config::builder().outbox_messages(4).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let mut ada = stage.connect("ada").await;
    ada.stop_reading();
    ada.send("many", &json!({"count": 10})).await;
    stage.empty().await;
    let stats = stage.layer.stats();
    // Four were queued and thrown away when the fifth did not fit; nobody sent what came after.
    assert_eq!((stats.messages_out, stats.dropped), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn statistics_are_logged_where_asked_for() {
    for asked in [true, false] {
        let stage = Stage::with(World::default(), Config::builder().log_stats(asked).build().unwrap());
        let _ada = stage.connect("ada").await;
        let logs = Logs::listen();
        tokio::time::sleep(Duration::from_secs(181)).await;
        let lines = logs.with("message", "statistics");
        assert_eq!(lines.len(), if asked { 3 } else { 0 });
        assert!(lines.iter().all(|line| line.get("stats").contains("connections: 1")), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_tells_its_age_its_silence_and_what_is_remembered_of_it() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ada.request(1, "quiet", &json!({})).await;
    ada.next_message().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let connection = stage.layer.registry().get(ada.connection().id()).unwrap();
    assert_eq!((connection.age().as_secs(), connection.idle().as_secs()), (7, 2));
    connection.set_metadata("locale", "de");
    assert_eq!(ada.connection().metadata("locale"), Some(json!("de")));
    assert_eq!(ada.connection().metadata("other"), None);
    assert_eq!(connection.id().to_string().parse(), Ok(connection.id()));
}
