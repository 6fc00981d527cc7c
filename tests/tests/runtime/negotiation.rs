//! What a client may agree on: an encoding, the extras, and never its token.

use std::time::Duration;

use channels::message::{Frame, MessagePack, Serializer};
use channels::testing::Client;
use channels::{ChannelLayer, Config, OutboxPolicy};
use channels_tests::probe::{Probe, ServerMessage, Stage, Text, World};
use serde_json::{Value, json};

async fn next_msgpack(client: &mut Client) -> Value {
    match client.next_frame().await {
        Frame::Binary(bytes) => serde_json::from_str(&MessagePack.decode(bytes).unwrap()).unwrap(),
        Frame::Text(text) => panic!("a text frame came: {text}"),
    }
}

async fn send_msgpack(client: &mut Client, json: &Value) {
    let Frame::Binary(bytes) = MessagePack.encode(&json.to_string().into()).unwrap() else { panic!("no bytes") };
    client.send_binary(bytes).await;
}

#[tokio::test(start_paused = true)]
async fn messagepack_goes_both_ways() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let mut packed = stage.connecting("ada").protocol("channels.v1.msgpack").await.unwrap();
    let mut plain = stage.connect("bob").await;
    packed.joined("all").await;
    plain.joined("all").await;
    let text = "é🦀\u{0}";
    send_msgpack(&mut packed, &json!({"type": "echo", "data": {"text": text}, "id": 7, "metadata": {"n": 1.5}})).await;
    let answer = next_msgpack(&mut packed).await;
    assert_eq!(answer, json!({"type": "said", "data": {"text": text}, "re": 7}));
    send_msgpack(&mut packed, &json!({"type": "say", "data": {"group": "all", "text": text}})).await;
    assert_eq!(next_msgpack(&mut packed).await, json!({"type": "said", "data": {"text": text}}));
    assert_eq!(plain.recv::<Text>().await.text, text, "each gets its own encoding");
    packed.send_binary(&b"\xc1"[..]).await;
    let told = next_msgpack(&mut packed).await;
    assert_eq!(told["data"]["error_code"], "INVALID_JSON");
    send_msgpack(&mut packed, &json!([1])).await;
    assert_eq!(next_msgpack(&mut packed).await["data"]["error_code"], "INVALID_MESSAGE_FORMAT");
    send_msgpack(&mut packed, &json!({"type": "ping", "id": "p"})).await;
    assert_eq!(next_msgpack(&mut packed).await["re"], "p");
}

#[tokio::test(start_paused = true)]
async fn who_names_nothing_known_gets_json_and_the_core() {
    let stage = Stage::new(World::default());
    for protocol in ["channels.v2.json", "chat", "channels.v1.", "CHANNELS.V1.JSON"] {
        let mut ada = stage.connecting("ada").protocol(protocol).await.unwrap();
        ada.send("echo", &Text { text: "x".into() }).await;
        assert_eq!(ada.recv::<Text>().await.text, "x", "{protocol}");
        stage.layer.registry().user_connections(ada.connection().user().unwrap());
    }
}

async fn dropping(protocol: Option<&str>) -> (Stage, Client) {
    let config = Config::builder().outbox_messages(10).build().unwrap();
    let layer = ChannelLayer::memory_with(config);
    let stage = Stage::over(World { groups: vec!["all"], ..World::default() }, layer);
    let serve = stage.layer.serve::<Probe>().outbox_policy(OutboxPolicy::DropNewest);
    let app =
        axum::Router::new().route("/ws/{user}", serve.into_route()).with_state(std::sync::Arc::clone(&stage.world));
    let connecting = channels::testing::connect_to(&app).path("/ws/ada");
    let ada = match protocol {
        Some(protocol) => connecting.protocol(protocol).await.unwrap(),
        None => connecting.await.unwrap(),
    };
    ada.joined("all").await;
    stage.until(|_| ada.connection().state() == channels::ConnectionState::Connected).await;
    (stage, ada)
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_is_counted_and_told_where_that_was_agreed_on() {
    for protocol in [Some("channels.v1.json"), None] {
        let (stage, mut ada) = dropping(protocol).await;
        ada.stop_reading();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut taken = 0;
        for number in 0..25 {
            let said = ServerMessage::Said(Text { text: number.to_string() });
            taken += stage.layer.send_to_group("all", said).await.unwrap().local;
        }
        assert_eq!((taken, stage.layer.stats().dropped), (10, 15));
        ada.go_on_reading();
        for number in 0..10 {
            assert_eq!(ada.recv::<Text>().await.text, number.to_string(), "the newest was dropped");
        }
        if protocol.is_some() {
            let told = ada.next_message().await;
            assert_eq!((&*told.name, &told.data), ("$dropped", &json!({"count": 15, "group": "all"})));
        }
        ada.assert_silent().await;
        ada.send("echo", &Text { text: "alive".into() }).await;
        assert_eq!(ada.recv::<Text>().await.text, "alive");
    }
}

/// An encoding of one's own: JSON, backwards.
#[derive(Debug)]
struct Backwards;

fn backwards(json: &str) -> String {
    json.chars().rev().collect()
}

impl Serializer for Backwards {
    fn name(&self) -> &'static str {
        "backwards"
    }

    fn encode(&self, json: &bytestring::ByteString) -> Result<Frame, channels::BoxError> {
        if json.contains("unspeakable") {
            return Err("it cannot be said".into());
        }
        assert!(!json.contains("terrible"), "this encoder panics");
        Ok(Frame::Binary(backwards(json).into()))
    }

    fn decode(&self, bytes: bytes::Bytes) -> Result<bytestring::ByteString, channels::BoxError> {
        Ok(backwards(std::str::from_utf8(&bytes)?).into())
    }
}

/// It is told that it missed one.
async fn dropped_one(client: &mut Client) {
    let Frame::Binary(bytes) = client.next_frame().await else { panic!("no bytes") };
    assert_eq!(bytes, backwards(r#"{"type":"$dropped","data":{"count":1,"group":"all"}}"#));
}

#[tokio::test(start_paused = true)]
async fn an_encoding_of_ones_own_is_negotiated_by_its_name() {
    let layer = ChannelLayer::builder(Config::default()).serializer(Backwards).connect().await.unwrap();
    let stage = Stage::over(World { groups: vec!["all"], ..World::default() }, layer);
    let mut ada = stage.connecting("ada").protocol("channels.v1.backwards").await.unwrap();
    let mut bob = stage.connect("bob").await;
    ada.joined("all").await;
    bob.joined("all").await;
    ada.send_binary(backwards(r#"{"type":"say","data":{"group":"all","text":"é"}}"#)).await;
    let Frame::Binary(bytes) = ada.next_frame().await else { panic!("no bytes") };
    assert_eq!(bytes, backwards(r#"{"type":"said","data":{"text":"é"}}"#));
    assert_eq!(bob.recv::<Text>().await.text, "é");
    // What it cannot express is dropped for this client, counted and told.
    let receipt = stage.layer.send_to_group("all", ServerMessage::Said(Text { text: "unspeakable".into() })).await;
    assert_eq!((receipt.unwrap().local, stage.layer.stats().dropped), (1, 1));
    assert_eq!(bob.recv::<Text>().await.text, "unspeakable");
    dropped_one(&mut ada).await;
    ada.assert_silent().await;
    ada.send_binary(&b"\xff"[..]).await;
    let Frame::Binary(bytes) = ada.next_frame().await else { panic!("no bytes") };
    assert!(backwards(std::str::from_utf8(&bytes).unwrap()).contains("INVALID_JSON"));
}

/// A burst is encoded when it ends, outside of any handler: an encoder that panics there takes nobody with it.
#[tokio::test(start_paused = true)]
async fn an_encoder_that_panics_costs_its_client_the_message_and_nobody_anything_else() {
    let layer = ChannelLayer::builder(Config::default()).serializer(Backwards).connect().await.unwrap();
    let stage = Stage::over(World { groups: vec!["all"], ..World::default() }, layer);
    let mut ada = stage.connecting("ada").protocol("channels.v1.backwards").await.unwrap();
    let mut bob = stage.connect("bob").await;
    ada.joined("all").await;
    bob.joined("all").await;
    for text in ["terrible", "fine"] {
        bob.send("say", &json!({"group": "all", "text": text})).await;
        assert_eq!(bob.recv::<Text>().await.text, text);
    }
    dropped_one(&mut ada).await;
    let Frame::Binary(bytes) = ada.next_frame().await else { panic!("no bytes") };
    assert_eq!(bytes, backwards(r#"{"type":"said","data":{"text":"fine"}}"#));
    assert_eq!(stage.layer.stats().dropped, 1);
    drop((ada, bob));
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_socket_is_compressed_for_like_any_other() {
    let config = Config::builder().compression(true).compression_min_bytes(64).build().unwrap();
    let stage = Stage::with(World { groups: vec!["all"], ..World::default() }, config);
    let offer = ("sec-websocket-extensions", "permessage-deflate; server_max_window_bits=10");
    let mut ada = stage.connecting("ada").header(offer.0, offer.1).await.unwrap();
    let mut packed = stage.connecting("bob").header(offer.0, offer.1).protocol("channels.v1.msgpack").await.unwrap();
    let mut plain = stage.connect("eve").await;
    for client in [&ada, &packed, &plain] {
        client.joined("all").await;
    }
    let text = "again and ".repeat(10_000);
    for from_a_handler in [false, true] {
        if from_a_handler {
            plain.send("say", &json!({"group": "all", "text": text})).await;
        } else {
            stage.layer.send_to_group("all", ServerMessage::Said(Text { text: text.clone() })).await.unwrap();
        }
        assert_eq!(ada.recv::<Text>().await.text, text);
        assert_eq!(plain.recv::<Text>().await.text, text);
        assert_eq!(next_msgpack(&mut packed).await["data"]["text"], *text);
    }
    let (compressed, whole) = (ada.connection().counters().bytes_out, plain.connection().counters().bytes_out);
    assert!(whole > 200_000 && compressed < whole / 10, "{compressed} bytes, {whole} without compression");
}
