//! Requests and their answers: `id`, `re`, `$ok`, and the framework's own messages.

use std::sync::Arc;

use channels::message::Frame;
use channels::prelude::*;
use channels::testing;
use channels_tests::probe::{Described, Group, Stage, Text, World};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn exactly_one_frame_answers_a_request() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let ids = [json!(7), json!(-7), json!(0), json!(u64::MAX), json!(""), json!("é\"\n"), json!("x".repeat(64))];
    for id in ids {
        ada.request(id.clone(), "quiet", &json!({})).await;
        let told = ada.next_message().await;
        assert_eq!((&*told.name, told.re.as_ref(), told.data), ("$ok", Some(&id), Value::Null));
        ada.request(id.clone(), "echo", &json!({"text": "x"})).await;
        let told = ada.next_message().await;
        assert_eq!((&*told.name, told.re.as_ref()), ("said", Some(&id)));
        ada.request(id.clone(), "fail", &json!({"how": "forbidden"})).await;
        let told = ada.next_message().await;
        assert_eq!((&*told.name, told.re.as_ref()), ("error", Some(&id)));
        ada.request(id.clone(), "panic", &json!({})).await;
        let told = ada.next_message().await;
        assert_eq!((&told.data["error_code"], told.re.as_ref()), (&json!("SYSTEM_ERROR"), Some(&id)));
        ada.assert_silent().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_id_only_replies_and_errors_come() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send_json(&json!({"type": "quiet"})).await;
    ada.assert_silent().await;
    ada.send("echo", &json!({"text": "x"})).await;
    assert_eq!(ada.next_message().await.re, None);
    ada.send("fail", &json!({"how": "forbidden"})).await;
    assert_eq!(ada.next_message().await.re, None);
    ada.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn of_several_replies_the_last_bears_the_re() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.request("r", "many", &json!({"count": 3})).await;
    for (text, re) in [("0", None), ("1", None), ("2", Some(json!("r")))] {
        let told = ada.next_message().await;
        assert_eq!((told.data["text"].as_str(), told.re), (Some(text), re));
    }
    ada.request("r", "many", &json!({"count": 0})).await;
    let told = ada.next_message().await;
    assert_eq!((&*told.name, told.re), ("$ok", Some(json!("r"))));
    ada.request("r", "many_then_fail", &json!({"count": 1})).await;
    assert_eq!(ada.next_message().await.re, None);
    assert_eq!(ada.next_message().await.re, Some(json!("r")));
    ada.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_before_the_handler_bears_the_re_too() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let frames = [
        json!({"type": "no_such", "id": 1}),
        json!({"type": 7, "id": 1}),
        json!({"id": 1}),
        json!({"type": "echo", "id": 1}),
        json!({"type": "checked", "data": {"name": "", "number": 1}, "id": 1}),
        json!({"type": "echo", "priority": "urgent", "id": 1}),
        json!({"type": "quiet", "ttl_seconds": 0, "id": 1}),
    ];
    for frame in frames {
        ada.send_json(&frame).await;
        let told = ada.next_message().await;
        assert_eq!((&*told.name, told.re), ("error", Some(json!(1))), "{frame}");
    }
    ada.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn copies_to_a_group_never_bear_the_re() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let mut bob = stage.connect("bob").await;
    for client in [&mut ada, &mut bob] {
        client.request(1, "join", &Group { group: "rust".into() }).await;
        assert_eq!(client.next_message().await.name, "$ok");
    }
    ada.request(2, "say", &json!({"group": "rust", "text": "hi"})).await;
    let copy = ada.next_message().await;
    assert_eq!((&*copy.name, copy.re), ("said", None));
    let answer = ada.next_message().await;
    assert_eq!((&*answer.name, answer.re), ("$ok", Some(json!(2))));
    let copy = bob.next_message().await;
    assert_eq!((&*copy.name, copy.re), ("said", None));
    bob.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn the_framework_answers_pings_and_takes_pongs() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send_json(&json!({"type": "ping"})).await;
    let pong = ada.next_message().await;
    assert_eq!((&*pong.name, pong.re), ("pong", None));
    assert!(pong.data["timestamp"].as_f64().unwrap() > 1.7e9);
    ada.request(5, "ping", &json!({"anything": 1})).await;
    assert_eq!(ada.next_message().await.re, Some(json!(5)));
    ada.send_json(&json!({"type": "pong"})).await;
    ada.assert_silent().await;
    ada.request(6, "pong", &json!({})).await;
    let told = ada.next_message().await;
    assert_eq!((&*told.name, told.re), ("$ok", Some(json!(6))));
}

#[derive(Debug, Incoming)]
enum OwnPing {
    Ping,
}

#[derive(Clone, Debug, Outgoing)]
enum OwnPong {
    Mine(Text),
}

#[derive(Default)]
struct Pinger;

#[consumer(incoming = OwnPing, outgoing = OwnPong)]
impl Pinger {
    #[on("ping")]
    fn ping(&self) -> Text {
        Text { text: "mine".into() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_answer_pings_itself() {
    let mut ada = testing::connect::<Pinger>(&ChannelLayer::memory(), ()).await.unwrap();
    ada.send_json(&json!({"type": "ping"})).await;
    assert_eq!(ada.next_message().await.name, "mine");
    ada.assert_silent().await;
}

#[derive(Debug, Incoming)]
enum Asked {
    Say(String),
    Several(Vec<String>),
    Maybe(String),
    Raw(String),
}

#[derive(Clone, Debug, Outgoing)]
enum Told {
    Said(String),
    Counted(usize),
    Done,
}

/// A payload of it is a text.
#[derive(Default)]
struct Lines;

#[consumer(incoming = Asked, outgoing = Told)]
impl Lines {
    #[on("say")]
    async fn say(&self, line: String) -> String {
        line
    }

    #[on("several")]
    fn several(&self, lines: Vec<String>) -> Vec<String> {
        lines
    }

    #[on("maybe")]
    fn maybe(&self, line: String) -> Result<Option<usize>, channels::Error> {
        Ok((!line.is_empty()).then_some(line.len()))
    }

    #[on("raw")]
    fn raw(&self, line: String) -> Frame {
        Frame::Text(line.into())
    }

    #[on_binary]
    fn binary(&self, data: Bytes) -> Bytes {
        data
    }
}

/// The same messages of a handler that takes texts as they are.
#[derive(Default)]
struct Texts;

#[consumer(outgoing = Told)]
impl Texts {
    #[connect]
    fn connected(&self) -> String {
        "welcome".into()
    }

    #[on_text]
    fn text(&self, text: String) -> Result<String, channels::Error> {
        if text.is_empty() { Err(channels::Error::validation("text", "is empty")) } else { Ok(text) }
    }

    #[on_binary]
    fn binary(&self, _: Bytes) -> Told {
        Told::Done
    }

    #[error]
    fn failed(&self, _: channels::Error) -> ByteString {
        "!".into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_one_message_carries_is_that_message() {
    let mut ada = testing::connect::<Lines>(&ChannelLayer::memory(), ()).await.unwrap();
    ada.request(1, "say", &"hi").await;
    let told = ada.next_message().await;
    assert_eq!((&*told.name, told.data, told.re), ("said", json!("hi"), Some(json!(1))));
    ada.request(2, "several", &["a", "b"]).await;
    for (line, re) in [("a", None), ("b", Some(json!(2)))] {
        let told = ada.next_message().await;
        assert_eq!((&*told.name, told.data, told.re), ("said", json!(line), re));
    }
    ada.request(3, "maybe", &"b").await;
    let told = ada.next_message().await;
    assert_eq!((&*told.name, told.data, told.re), ("counted", json!(1), Some(json!(3))));
    ada.request(4, "raw", &"as it is").await;
    assert_eq!(ada.next_frame().await, Frame::Text("as it is".into()));
    assert_eq!(ada.next_message().await.name, "$ok");
    ada.send_binary("bytes").await;
    assert_eq!(ada.next_frame().await, Frame::Binary("bytes".into()));
    ada.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn where_texts_are_taken_as_they_are_so_are_replies() {
    let mut ada = testing::connect::<Texts>(&ChannelLayer::memory(), ()).await.unwrap();
    assert_eq!(ada.next_frame().await, Frame::Text("welcome".into()));
    ada.send_text("hi").await;
    assert_eq!(ada.next_frame().await, Frame::Text("hi".into()));
    ada.send_text("").await;
    assert_eq!(ada.next_frame().await, Frame::Text("!".into()));
    ada.send_binary("bytes").await;
    assert_eq!(ada.next_message().await.name, "done");
    ada.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_members_are_ignored_and_the_known_handed_through() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let frame = json!({
        "type": "describe", "x": [1, {"type": "echo"}], "re": 9, "group": "g", "seq": 1, "epoch": "e",
        "metadata": {"trace": "a", "n": 1.5}, "priority": "high", "ttl_seconds": 5,
    });
    ada.send_json(&frame).await;
    let described: Described = ada.recv().await;
    assert_eq!(serde_json::from_str::<Value>(&described.metadata.unwrap()).unwrap(), json!({"trace": "a", "n": 1.5}));
    assert_eq!(described.priority, "High");
    ada.send_json(&json!({"type": "describe", "metadata": null, "priority": null, "ttl_seconds": null})).await;
    let nothing = Described { metadata: None, priority: "Normal".into() };
    assert_eq!(ada.recv::<Described>().await, nothing);
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_is_dropped_counted_and_told_only_to_who_asks() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    for ttl in [json!(0), json!(-5), json!(-0.1), json!(1e-12)] {
        ada.send_json(&json!({"type": "echo", "data": {"text": "late"}, "ttl_seconds": ttl})).await;
    }
    ada.assert_silent().await;
    ada.send_json(&json!({"type": "echo", "data": {"text": "late"}, "ttl_seconds": 0, "id": 3})).await;
    let told = ada.next_message().await;
    assert_eq!((&told.data["error_code"], told.re), (&json!("MESSAGE_ERROR"), Some(json!(3))));
    assert_eq!(stage.layer.stats().expired, 5);
    assert!(stage.world.texts().is_empty());
    ada.send_json(&json!({"type": "echo", "data": {"text": "in time"}, "ttl_seconds": 0.5})).await;
    assert_eq!(ada.recv::<Text>().await.text, "in time");
}

#[tokio::test(start_paused = true)]
async fn the_time_to_live_counts_from_the_receipt_on() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send("wait", &json!({"millis": 2000})).await;
    ada.send_json(&json!({"type": "echo", "data": {"text": "a second"}, "ttl_seconds": 1})).await;
    ada.send_json(&json!({"type": "echo", "data": {"text": "a minute"}, "ttl_seconds": 60})).await;
    assert_eq!(ada.recv::<Text>().await.text, "waited");
    assert_eq!(ada.recv::<Text>().await.text, "a minute", "the other one waited longer than it lives");
    assert_eq!(stage.layer.stats().expired, 1);
}

/// Its replies are encoded when the handler has returned; that may fail too.
#[derive(Clone, Debug)]
struct Unspeakable {
    panics: bool,
}

impl serde::Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        assert!(!self.panics, "it cannot be said");
        Err(serde::ser::Error::custom("it cannot be said"))
    }
}

#[derive(Debug, Incoming)]
enum Ask {
    Fails,
    Panics,
    Fine,
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Unspeakable(Unspeakable),
}

#[derive(Default)]
struct Speaker;

#[consumer(incoming = Ask, outgoing = Tell, state = Arc<std::sync::atomic::AtomicUsize>)]
impl Speaker {
    #[on("fails")]
    fn fails(&self) -> Unspeakable {
        Unspeakable { panics: false }
    }

    #[on("panics")]
    fn panics(&self) -> Unspeakable {
        Unspeakable { panics: true }
    }

    #[on("fine")]
    fn fine(&self) {}

    #[disconnect]
    fn left(&self, State(ends): State<Arc<std::sync::atomic::AtomicUsize>>) {
        ends.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_encoded_is_an_error_for_its_client_only() {
    let (layer, ends) = (ChannelLayer::memory(), Arc::<std::sync::atomic::AtomicUsize>::default());
    let mut ada = testing::connect::<Speaker>(&layer, Arc::clone(&ends)).await.unwrap();
    for name in ["fails", "panics"] {
        ada.request(1, name, &json!({})).await;
        let told = ada.next_message().await;
        assert_eq!((&told.data["error_code"], told.re), (&json!("SYSTEM_ERROR"), Some(json!(1))), "{name}");
        assert!(!told.data.to_string().contains("cannot be said"));
        ada.send_json(&json!({"type": name})).await;
        assert_eq!(ada.next_message().await.data["error_code"], "SYSTEM_ERROR", "{name}");
    }
    ada.request(2, "fine", &json!({})).await;
    assert_eq!(ada.next_message().await.name, "$ok");
    ada.close(1000).await;
    ada.closed().await;
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    assert_eq!(ends.load(std::sync::atomic::Ordering::SeqCst), 1);
}
