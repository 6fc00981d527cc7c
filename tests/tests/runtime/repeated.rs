//! What an error repeats of what a client sent: so little that nobody gets back more than they send, and that neither the log
//! nor the inspector knows what they sent.

use std::collections::BTreeMap;

use channels::message::{Frame, Layout, Message, MessagePack, Serializer};
use channels::middleware::Logging;
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{Error, MAX_ERROR_DETAILS_BYTES};
use channels_tests::logs::Logs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The largest frame that is taken by default.
const LARGEST: usize = 10 << 20;
/// The largest answer to one that is wrong.
const LARGEST_ANSWER: usize = 4096;

#[derive(Clone, Debug, Serialize, Deserialize, garde::Validate)]
struct Page {
    #[garde(length(max = 5))]
    room: String,
    #[garde(range(max = 9))]
    limit: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize, garde::Validate)]
struct Pages {
    #[garde(dive)]
    #[serde(default)]
    pages: Vec<Page>,
    #[garde(dive)]
    #[serde(default)]
    by_name: BTreeMap<String, Page>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Kind {
    Open,
    Closed { since: u64 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Words {
    words: String,
}

#[derive(Debug, Incoming)]
enum ClientMessage {
    History(Page),
    Pages(Pages),
    Kind(Kind),
    Refuse(Words),
    Send(Words),
}

#[derive(Clone, Debug, Outgoing)]
enum ServerMessage {
    Page(Page),
}

#[derive(Default)]
struct Library;

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Library {
    #[on("history")]
    async fn history(&self, page: Page) -> Page {
        page
    }

    #[on("pages")]
    #[validate]
    async fn pages(&self, pages: Pages) -> Vec<Page> {
        pages.pages
    }

    #[on("kind")]
    async fn kind(&self, _kind: Kind) {}

    /// To a group that cannot be.
    #[on("send")]
    async fn send(&self, words: Words, layer: ChannelLayer) -> Result<(), Error> {
        let page = Page { room: String::new(), limit: 0 };
        layer.send_to_group(&words.words, ServerMessage::from(page)).await.map(drop)
    }

    /// As an application does that has not thought of it.
    #[on("refuse")]
    async fn refuse(&self, words: Words) -> Result<(), Error> {
        let Words { words } = words;
        Err(Error::validation(&words, format!("{words:?} is nothing"))
            .with_name(words.clone())
            .with_detail(words.clone(), words.clone())
            .with_metadata("words", words.clone())
            .with_source(words))
    }
}

fn app(layer: &ChannelLayer) -> axum::Router {
    axum::Router::new().route("/", layer.serve::<Library>().middleware(Logging::new().at_info()).into_route())
}

/// The answer as it stands on the wire, and what it says.
async fn answer(client: &mut Client) -> (usize, Value) {
    match client.next_frame().await {
        Frame::Text(text) => (text.len(), serde_json::from_str(&text).unwrap()),
        Frame::Binary(bytes) => (bytes.len(), serde_json::from_str(&MessagePack.decode(bytes).unwrap()).unwrap()),
    }
}

/// A message whose frame is so large, with these words over and over in the place of `…`.
fn filled(frame: &str, words: &str, size: usize) -> String {
    let holes = frame.matches('…').count();
    let room = size - (frame.len() - holes * '…'.len_utf8());
    let frame = frame.replace('…', &words.repeat(room / holes / words.len()));
    assert!((size - 100..=size).contains(&frame.len()), "{}", frame.len());
    frame
}

const FRAMES: [(&str, &str); 16] = [
    (r#"{"type":"history","data":{"room":"x","limit":"…"},"id":1}"#, "VALIDATION_FAILED"),
    (r#"{"type":"history","data":{"room":["…"],"limit":1},"id":1}"#, "VALIDATION_FAILED"),
    (r#"{"type":"history","data":"…","id":1}"#, "VALIDATION_FAILED"),
    (r#"{"type":"pages","data":{"by_name":{"…":{"room":"x","limit":"…"}}}}"#, "VALIDATION_FAILED"),
    (r#"{"type":"pages","data":{"by_name":{"…":{"room":"……","limit":10}}}}"#, "VALIDATION_FAILED"),
    (r#"{"type":"pages","data":{"pages":"…"}}"#, "VALIDATION_FAILED"),
    (r#"{"type":"kind","data":"…"}"#, "VALIDATION_FAILED"),
    (r#"{"type":"kind","data":{"…":1}}"#, "VALIDATION_FAILED"),
    (r#"{"type":"kind","data":{"open":"…"}}"#, "VALIDATION_FAILED"),
    (r#"{"type":"kind","data":{"closed":{"since":1,"…":1}}}"#, "VALIDATION_FAILED"),
    (r#"{"type":"…","data":{}}"#, "INVALID_MESSAGE_PARAMS"),
    (r#"{"type":"history","data":{},"id":"…"}"#, "INVALID_MESSAGE_FORMAT"),
    (r#"{"type":"history","priority":"…"}"#, "INVALID_MESSAGE_FORMAT"),
    (r#"{"…":1}"#, "MISSING_MESSAGE_TYPE"),
    (r#"{"type":"send","data":{"words":"…"},"id":1}"#, "VALIDATION_FAILED"),
    (r#"{"type":"refuse","data":{"words":"…"},"id":1}"#, ""),
];

/// Each is written as it stands here, in JSON; six bytes in an escaped string of Rust's, or more in JSON, or more than one.
const WORDS: [(&str, usize); 4] =
    [("\u{7f}", LARGEST), (r#"\""#, LARGEST / 20), (r"\u0001", LARGEST / 20), ("🦀", LARGEST / 20)];

#[tokio::test(start_paused = true)]
async fn the_largest_frame_gets_a_small_answer() {
    let layer = ChannelLayer::memory();
    let app = app(&layer);
    let mut ada = testing::connect_to(&app).await.unwrap();
    for (frame, code) in FRAMES {
        for (words, size) in WORDS {
            ada.send_text(filled(frame, words, size)).await;
            let (size, told) = answer(&mut ada).await;
            assert!(size <= LARGEST_ANSWER, "{size} bytes for {frame} of {words}: {told:.200}");
            assert!(code.is_empty() || told["data"]["error_code"] == code, "{frame} of {words}: {told}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn so_it_is_in_messagepack() {
    let layer = ChannelLayer::memory();
    let app = app(&layer);
    let mut ada = testing::connect_to(&app).protocol("channels.v1.msgpack").await.unwrap();
    for (frame, code) in FRAMES {
        let Frame::Binary(bytes) = MessagePack.encode(&filled(frame, "\u{7f}", LARGEST).into()).unwrap() else {
            panic!("no bytes")
        };
        ada.send_binary(bytes).await;
        let (size, told) = answer(&mut ada).await;
        assert!(size <= LARGEST_ANSWER, "{size} bytes for {frame}: {told:.200}");
        assert!(code.is_empty() || told["data"]["error_code"] == code, "{frame}: {told}");
    }
    // No MessagePack at all.
    ada.send_binary(vec![0xc1; LARGEST]).await;
    assert!(answer(&mut ada).await.0 <= LARGEST_ANSWER);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_broken_elements_are_told_by_their_number() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect_to(&app(&layer)).await.unwrap();
    let pages = vec![json!({"room": "too long", "limit": 10}); 100_000];
    ada.request(7, "pages", &json!({ "pages": pages })).await;
    let (size, told) = answer(&mut ada).await;
    assert!(size <= LARGEST_ANSWER, "{size}");
    assert_eq!((&told["data"]["error_code"], &told["re"]), (&json!("VALIDATION_FAILED"), &json!(7)));
    let details = told["data"]["details"].as_object().unwrap();
    assert_eq!(details["pages[0].limit"], json!(["greater than 9"]));
    let more = details["…"][0].as_str().unwrap();
    let more: usize = more.strip_prefix("and ").and_then(|more| more.strip_suffix(" more")).unwrap().parse().unwrap();
    let told: usize =
        details.iter().filter(|(field, _)| *field != "…").map(|(_, all)| all.as_array().unwrap().len()).sum();
    assert_eq!(told + more, 200_000);
    assert!(told > MAX_ERROR_DETAILS_BYTES / 100, "{told} are worth telling");
}

/// `SECURITY.md`: never payloads.
#[tokio::test(start_paused = true)]
async fn neither_the_log_nor_the_answer_repeats_a_value() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect_to(&app(&layer)).await.unwrap();
    let logs = Logs::listen();
    let frames = [
        json!({"type": "history", "data": {"room": "x", "limit": "hunter2"}}),
        json!({"type": "history", "data": {"room": 4_711_471_147_u64, "limit": 4_711_471_147_u64}}),
        json!({"type": "history", "data": {"room": "x", "limit": 4_711_471_147_u64}}),
        json!({"type": "history", "data": "hunter2"}),
        json!({"type": "history", "data": ["hunter2", "hunter2"]}),
        json!({"type": "history", "metadata": "hunter2"}),
        json!({"type": "pages", "data": {"pages": [{"room": "hunter2", "limit": 4_711_471_147_u64}]}}),
        json!({"type": "pages", "data": {"pages": [{"room": "hunter2", "limit": 1}]}}),
        json!({"type": "kind", "data": "hunter2"}),
        json!({"type": "kind", "data": {"open": "hunter2"}}),
        json!({"type": "kind", "data": {"closed": {"since": "hunter2"}}}),
        json!({"type": "kind", "data": {"closed": "hunter2"}}),
    ];
    for frame in frames {
        ada.send_json(&frame).await;
        let (_, told) = answer(&mut ada).await;
        assert_eq!(told["type"], "error", "{frame}");
        let told = told["data"]["message"].to_string() + &told["data"]["details"].to_string();
        assert!(!told.contains("hunter2") && !told.contains("4711471147"), "{frame}: {told}");
    }
    let lines = logs.lines();
    assert!(lines.iter().filter(|line| line.get("error_code") == "VALIDATION_FAILED").count() >= 10);
    let lines = format!("{lines:?}");
    assert!(!lines.contains("hunter2") && !lines.contains("4711471147"), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_the_log_is_short_whatever_it_is_about() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect_to(&app(&layer)).await.unwrap();
    let logs = Logs::listen();
    for (frame, _) in FRAMES {
        ada.send_text(filled(frame, "\u{7f}", LARGEST / 10)).await;
        answer(&mut ada).await;
    }
    // A page with headers as long as a server takes them.
    let long = "x".repeat(100_000);
    let foreign = testing::connect_to(&app(&layer)).header("host", &long).header("origin", &long).await;
    assert_eq!(foreign.unwrap_err().status(), 403);
    let sends = logs.spans("channels.send");
    assert_eq!(sends.len(), 1);
    assert!(sends[0].fields.values().map(String::len).sum::<usize>() <= 2000);
    let lines = logs.lines();
    assert!(lines.len() >= FRAMES.len());
    for line in lines {
        let size: usize = line.fields.values().map(String::len).sum();
        assert!(size <= 8000, "{size} bytes: {line:.1000?}");
    }
}

#[test]
fn what_fits_is_told_whole() {
    let message = Message::from_json(r#"{"type":"history","data":{"room":"x","limit":-1}}"#, Layout::DEFAULT).unwrap();
    let error = message.payload::<Page>().unwrap_err();
    assert_eq!(error.message(), "limit: invalid value: integer, expected u32");
    assert_eq!(error.details()["limit"], ["invalid value: integer, expected u32"]);
}
