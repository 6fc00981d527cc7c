//! What bad input gets over real sockets: an error or the right close code, nobody else disturbed, nothing left.

use channels::{Config, ConnectionState};
use channels_tests::probe::{Stage, World};
use channels_tests::raw::Raw;
use channels_tests::socket::{self, Server, Socket};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

const MAX: usize = 10 << 20;

/// A server with somebody who is not to be disturbed.
struct House {
    stage: Stage,
    server: Server,
    bob: Socket,
}

impl House {
    async fn open(config: Config) -> Self {
        let stage = Stage::with(World { groups: vec!["room"], ..World::default() }, config);
        let server = socket::serve(&stage).await;
        let mut bob = server.connect("bob").await;
        bob.request("quiet", json!({})).await;
        Self { stage, server, bob }
    }

    /// Bob still gets everything, and when all have gone nothing is left.
    async fn undisturbed(mut self) {
        let answer = self.bob.request("say", json!({"group": "room", "text": "undisturbed"})).await;
        assert_eq!(answer["data"]["text"], "undisturbed");
        assert_eq!(self.bob.next_json().await["type"], "$ok");
        let bob = self.stage.layer.registry().group_connections("room");
        assert!(bob.iter().any(|bob| bob.state() == ConnectionState::Connected));
        drop(self.bob);
        self.stage.empty().await;
        assert_eq!(self.stage.world.ends().len() as u64, self.stage.layer.stats().connections_total);
    }
}

#[tokio::test]
async fn each_bad_message_is_one_error_and_the_connection_lives_on() {
    let house = House::open(Config::default()).await;
    let mut ada = house.server.connect("ada").await;
    let long = "x".repeat(100_000);
    let frames = [
        (Message::text("no json"), "INVALID_JSON"),
        (Message::text(""), "INVALID_JSON"),
        (Message::text("[1, 2]"), "INVALID_MESSAGE_FORMAT"),
        (Message::text(r#"{"data": {}}"#), "MISSING_MESSAGE_TYPE"),
        (Message::text(r#"{"type": "nope"}"#), "INVALID_MESSAGE_PARAMS"),
        (Message::text(format!(r#"{{"type": "{long}"}}"#)), "INVALID_MESSAGE_PARAMS"),
        (Message::text(r#"{"type": "no\u0000\n\u001b[31m"}"#), "INVALID_MESSAGE_PARAMS"),
        (Message::text(r#"{"type": "echo", "data": {"text": 1}}"#), "VALIDATION_FAILED"),
        (Message::text(r#"{"type": "checked", "data": {"name": "", "number": 1}}"#), "VALIDATION_FAILED"),
        (Message::text(r#"{"type": "join", "data": {"group": ""}}"#), "VALIDATION_FAILED"),
        (Message::text(r#"{"type": "fail", "data": {"how": "forbidden"}}"#), "AUTHORIZATION_FAILED"),
        (Message::text(r#"{"type": "panic"}"#), "SYSTEM_ERROR"),
        (Message::text(r#"{"type": "quiet", "ttl_seconds": 0, "id": 1}"#), "MESSAGE_ERROR"),
        (Message::binary(vec![0, 159, 146, 150]), "INVALID_MESSAGE_PARAMS"),
        (Message::text("[".repeat(MAX)), "INVALID_JSON"),
    ];
    for (frame, code) in frames {
        ada.send(frame).await;
        let told = ada.next_json().await;
        assert_eq!((&told["type"], &told["data"]["error_code"]), (&json!("error"), &json!(code)));
    }
    for number in 0..5 {
        let told = ada.request("limited", json!({})).await;
        assert_eq!(told["type"], if number < 3 { "said" } else { "error" });
    }
    assert_eq!(ada.request("echo", json!({"text": "alive"})).await["data"]["text"], "alive");
    drop(ada);
    house.undisturbed().await;
}

#[tokio::test]
async fn a_message_of_the_largest_size_is_taken() {
    let house = House::open(Config::default()).await;
    let mut ada = house.server.connect("ada").await;
    let envelope = json!({"type": "echo", "data": {"text": ""}}).to_string();
    let text = "x".repeat(MAX - envelope.len());
    ada.send_json(&json!({"type": "echo", "data": {"text": text}})).await;
    assert_eq!(ada.next_json().await["data"]["text"].as_str().unwrap().len(), text.len());
    drop(ada);
    house.undisturbed().await;
}

#[tokio::test]
async fn one_byte_too_many_is_closed_with_1009() {
    let house = House::open(Config::default()).await;
    for message in [Message::text("x".repeat(MAX + 1)), Message::binary(vec![0; MAX + 1])] {
        let mut ada = house.server.connect("ada").await;
        // All of it in one go, before anything is read.
        ada.send(message).await;
        let (code, words) = ada.closed().await;
        assert_eq!((code, &*words), (1009, "a message has at most 10485760 bytes"));
    }
    house.undisturbed().await;
}

#[tokio::test]
async fn far_too_many_bytes_are_closed_with_1009_too() {
    let house = House::open(Config::default()).await;
    let (mut to, from) = house.server.connect("ada").await.0.split();
    // As a browser does: it reads while it writes.
    let writing = tokio::spawn(async move { to.send(Message::binary(vec![0; 8 * MAX])).await });
    let mut from = from;
    let closed = socket::soon("the close", async {
        loop {
            match from.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                Some(Ok(_)) => {}
                other => panic!("no close frame came: {other:?}"),
            }
        }
    });
    assert_eq!(closed.await, 1009);
    writing.abort();
    drop(from);
    house.undisturbed().await;
}

#[tokio::test]
async fn fragments_count_together() {
    let house = House::open(Config::builder().max_message_size(1000).build().unwrap()).await;
    let mut ada = Raw::open(house.server.address, "/ws/ada").await;
    ada.frame(0x01, &[b'x'; 600]).await;
    ada.frame(0x80, &[b'x'; 600]).await;
    assert_eq!(ada.closed().await, Some(1009));
    house.undisturbed().await;
}

#[tokio::test]
async fn a_text_that_is_not_utf8_is_closed_with_1007() {
    let house = House::open(Config::default()).await;
    for bytes in [&b"\xff"[..], b"{\"type\":\"\xc3\x28\"}", b"\xed\xa0\x80"] {
        let mut ada = Raw::open(house.server.address, "/ws/ada").await;
        ada.frame(0x81, bytes).await;
        assert_eq!(ada.closed().await, Some(1007));
    }
    house.undisturbed().await;
}

#[tokio::test]
async fn a_broken_protocol_is_closed_with_1002() {
    let house = House::open(Config::default()).await;
    let breaches: [(&str, &[u8]); 6] = [
        ("not masked", b"\x81\x02hi"),
        ("an unknown opcode", b"\x83\x80\0\0\0\0"),
        ("a reserved bit", b"\xc1\x80\0\0\0\0"),
        ("a ping in fragments", b"\x09\x80\0\0\0\0"),
        ("a continuation of nothing", b"\x80\x80\0\0\0\0"),
        ("a close code of one byte", b"\x88\x81\0\0\0\0\x03"),
    ];
    for (breach, bytes) in breaches {
        let mut ada = Raw::open(house.server.address, "/ws/ada").await;
        ada.write(bytes).await;
        assert_eq!(ada.closed().await, Some(1002), "{breach}");
    }
    house.undisturbed().await;
}

/// Where bytes are left unread, closing at once would reset the connection, and on many systems the reset
/// overtakes the close frame.
#[tokio::test]
async fn who_cannot_be_read_any_more_has_time_to_read_why() {
    let house = House::open(Config::default()).await;
    let mut ada = Raw::open(house.server.address, "/ws/ada").await;
    ada.write(b"\x81\x02hi").await;
    ada.write(&[0; 64 << 10]).await;
    assert_eq!(ada.closed().await, Some(1002));
    // The server has nothing more to say, and still takes what is on its way: no reset overtakes the close frame.
    ada.write(&[0; 64 << 10]).await;
    let end = tokio::io::AsyncReadExt::read(&mut ada.0, &mut [0; 1]).await;
    assert!(matches!(end, Ok(0)), "{end:?}");
    house.undisturbed().await;
}

#[tokio::test]
async fn garbage_and_half_frames_leave_nothing() {
    let house = House::open(Config::default()).await;
    for bytes in [&b"\x81\xff\0\0\0\0\0\xa0\0\0\0\0\0\0half"[..], b"\x81\xfe", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4096]]
    {
        let mut ada = Raw::open(house.server.address, "/ws/ada").await;
        ada.write(bytes).await;
    }
    house.undisturbed().await;
}

#[tokio::test]
async fn a_flood_of_bad_frames_is_answered_or_closed_and_nothing_else() {
    let house = House::open(Config::builder().outbox_messages(64).build().unwrap()).await;
    let mut ada = Raw::open(house.server.address, "/ws/ada").await;
    let frame = [0x81, 0x81, 0, 0, 0, 0, b'{'];
    let flood = frame.repeat(20_000);
    let mut answers = 0;
    let (mut from, mut to) = ada.0.split();
    let writing = async {
        // Where the server closes, the rest cannot be written.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut to, &flood).await;
    };
    let reading = async {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = tokio::io::AsyncReadExt::read(&mut from, &mut bytes).await {
            answers += bytes[..read].windows(12).filter(|window| window == b"INVALID_JSON").count();
            if answers >= 19_000 {
                break;
            }
        }
    };
    socket::soon("the flood", futures_util::future::join(writing, reading)).await;
    assert!(answers > 0);
    drop(ada);
    house.undisturbed().await;
}
