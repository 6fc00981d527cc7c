//! Payloads: a typed value comes out exactly where serde_json would give it, and otherwise a word about the field.

use std::collections::BTreeMap;

use bytestring::ByteString;
use serde::Deserialize;
use tokio::time::Instant;

use crate::error::ErrorCode;
use crate::message::{Layout, Message, read_carefully};

/// Something of everything.
#[derive(Debug, PartialEq, Deserialize)]
struct Payload {
    text: String,
    count: Option<i64>,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    by_name: BTreeMap<String, u8>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    pair: (bool, f64),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Item {
    id: u64,
    inner: Option<Box<Self>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Plain,
    Named(String),
    Sized {
        width: u32,
    },
}

/// The payload of a message, as JSON.
pub fn payload(input: &[u8]) {
    let Ok(data) = std::str::from_utf8(input) else { return };
    let frame = ByteString::from(format!(r#"{{"type":"a","data":{data}}}"#));
    // Not a payload, but the end of one and more of an envelope.
    let Ok(message) = Message::read(frame, Layout::DEFAULT, Instant::now()) else { return };
    if message.data().is_empty() {
        return;
    }
    // Only what has a long string is read carefully at once; it must not make a difference.
    let careful = read_carefully::<Payload>(message.data());
    assert_eq!(careful.ok(), serde_json::from_str(message.data()).ok(), "read carefully, it is another");
    match (message.payload::<Payload>(), serde_json::from_str::<Payload>(message.data())) {
        (Ok(payload), Ok(expected)) => assert_eq!(payload, expected),
        (Err(error), Err(_)) => match error.code() {
            ErrorCode::ValidationFailed => assert!(!error.details().is_empty(), "it names no field"),
            ErrorCode::InvalidJson => {}
            other => panic!("{other:?} is no word about a payload"),
        },
        (payload, expected) => panic!("{payload:?} is not {expected:?}"),
    }
}
