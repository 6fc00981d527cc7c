//! The samples of the guide to the protocol, played to a real session: it says what stands there.

use std::time::Duration;

use channels::message::Frame;
use channels::prelude::*;
use channels::testing::{self, Client};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const GUIDE: &str = include_str!("../../../channels/src/docs/protocol.md");
/// Their values are of the moment: in a sample they are of the same kind.
const OF_THE_MOMENT: [&str; 4] = ["error_id", "timestamp", "retry_after_ms", "after_ms"];

#[derive(Clone, Debug, Serialize, Deserialize, garde::Validate)]
struct Line {
    #[garde(length(chars, min = 1))]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Numbers {
    numbers: Vec<u32>,
}

#[derive(Debug, Serialize)]
struct Sum {
    sum: u32,
}

#[derive(Debug, Serialize)]
struct Who {
    who: String,
}

#[derive(Debug, Incoming)]
enum ClientMessage {
    Say(Line),
    Count(Numbers),
    Hurry,
}

#[derive(Debug, Outgoing)]
enum ServerMessage {
    Said(Line),
    Counted(Sum),
    #[channels(outbox = "drop_newest")]
    Typing(Who),
}

#[derive(Default)]
struct Room;

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Room {
    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), channels::Error> {
        conn.join("room").await.map(drop)
    }

    #[on("say")]
    #[validate]
    async fn say(&self, line: Line, layer: ChannelLayer) -> Result<(), channels::Error> {
        layer.send_to_group("room", ServerMessage::Said(line)).await.map(drop)
    }

    #[on("count")]
    fn count(&self, numbers: Numbers) -> Sum {
        Sum { sum: numbers.numbers.iter().sum() }
    }

    #[on("hurry")]
    #[rate_limit(1, per = "1m")]
    fn hurry(&self) {}
}

/// One line of a sample.
#[derive(Debug)]
enum Step<'a> {
    Speaks(&'a str),
    Happens(&'a str),
    Client(String),
    Server(String),
    Closes(u16),
}

impl<'a> Step<'a> {
    fn read(line: &'a str) -> Self {
        if let Some(protocol) = line.strip_prefix("Sec-WebSocket-Protocol: ") {
            return Self::Speaks(protocol);
        }
        match line.split_once(' ') {
            Some(("→", frame)) => Self::Client(frame.to_owned()),
            Some(("←", frame)) => match frame.strip_prefix("close ") {
                Some(code) => Self::Closes(code.parse().unwrap()),
                None => Self::Server(frame.to_owned()),
            },
            _ => Self::Happens(line.trim_matches(['(', ')'])),
        }
    }
}

/// The samples, step by step.
fn samples() -> Vec<Vec<Step<'static>>> {
    let fenced = GUIDE.split("```text\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let steps = |sample: &'static str| {
        let mut steps: Vec<Step<'_>> = Vec::new();
        for line in sample.lines() {
            // What is indented goes on with the frame above.
            match (steps.last_mut(), line.starts_with(' ')) {
                (Some(Step::Client(frame) | Step::Server(frame)), true) => frame.push_str(line),
                _ => steps.push(Step::read(line)),
            }
        }
        steps
    };
    fenced.map(steps).collect()
}

/// The bytes of a frame that is written in hexadecimal.
fn bytes(frame: &str) -> Option<Vec<u8>> {
    frame.split(' ').map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect()
}

/// Takes what is of the moment away, and leaves its kind.
fn without_the_moment(value: &mut Value) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        match OF_THE_MOMENT.contains(&&**name) {
            true if value.is_number() => *value = "a number".into(),
            true if value.is_string() => *value = "a text".into(),
            _ => without_the_moment(value),
        }
    }
}

fn json(text: &str) -> Value {
    let mut value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    without_the_moment(&mut value);
    value
}

async fn happens(what: &str, layer: &ChannelLayer, client: &Client) {
    match what {
        "the server stops" => layer.drain(),
        "the client stops reading, five are `typing` in the room, two of them fit, and it reads again" => {
            client.stop_reading();
            tokio::time::sleep(Duration::from_millis(1)).await;
            for who in 1..=5 {
                let typing = ServerMessage::Typing(Who { who: who.to_string() });
                layer.send_to_group("room", typing).await.unwrap();
            }
            client.go_on_reading();
        }
        other => panic!("nobody knows how this happens: {other}"),
    }
}

async fn play(sample: &[Step<'_>]) {
    let layer = ChannelLayer::memory_with(Config::builder().outbox_messages(2).build().unwrap());
    let (protocol, steps) = match sample {
        [Step::Speaks(protocol), steps @ ..] => (Some(*protocol), steps),
        steps => (None, steps),
    };
    let connecting = testing::connect::<Room>(&layer, ());
    let mut client = match protocol {
        Some(protocol) => connecting.protocol(protocol).await.unwrap(),
        None => connecting.await.unwrap(),
    };
    client.joined("room").await;
    for step in steps {
        match step {
            Step::Speaks(_) => panic!("that comes first: {step:?}"),
            Step::Happens(what) => happens(what, &layer, &client).await,
            Step::Client(frame) => match bytes(frame) {
                Some(bytes) => client.send_binary(bytes).await,
                None => client.send_text(frame.trim()).await,
            },
            Step::Server(frame) => match (client.next_frame().await, bytes(frame)) {
                (Frame::Binary(sent), Some(shown)) => assert_eq!(sent, shown),
                (Frame::Text(sent), None) => assert_eq!(json(&sent), json(frame), "sent and shown: {sent}"),
                (sent, _) => panic!("{sent:?} instead of {step:?}"),
            },
            Step::Closes(code) => assert_eq!(client.closed().await.code().as_u16(), *code),
        }
    }
    if !matches!(steps.last(), Some(Step::Closes(_))) {
        client.assert_silent().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_says_what_the_guide_shows() {
    let samples = samples();
    assert!(samples.len() >= 8, "{samples:?}");
    for sample in &samples {
        assert!(sample.iter().any(|step| matches!(step, Step::Server(_))), "it shows no answer: {sample:?}");
        play(sample).await;
    }
}

/// A member that is added to the error's is missed in the guide.
#[test]
fn the_guide_names_every_member_of_an_error_and_every_category() {
    let error = channels::Error::validation("text", "is wrong");
    let shown = serde_json::to_value(channels::ErrorResponse::from(&error)).unwrap();
    let members = shown.as_object().unwrap();
    assert!(GUIDE.contains("All ten are always there") && members.len() == 10, "{members:?}");
    for name in members.keys() {
        assert!(GUIDE.contains(&format!("\n| `{name}` |")), "{name}");
    }
    let (_, row) = GUIDE.split_once("\n| `category` |").unwrap();
    let row = row.lines().next().unwrap();
    for category in channels::Category::ALL {
        assert!(row.contains(&format!("`{}`", category.as_str())), "{}", category.as_str());
    }
}
