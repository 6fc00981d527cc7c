//! Envelopes: the one pass that builds no tree finds what a tree would hold.

use bytestring::ByteString;
use serde_json::Value;
use tokio::time::Instant;

use super::same;
use crate::error::ErrorCode;
use crate::message::{Layout, Message, RequestId, error_frame, write_envelope};

/// A text frame.
pub fn envelope(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for layout in [Layout::DEFAULT, Layout::nested("event", "payload"), Layout::flat("type")] {
        // What serde_json makes of it, where that is something: deep nesting and huge numbers inside a payload are refused
        // when the payload is parsed.
        let tree = serde_json::from_str::<Value>(text).ok();
        match (Message::read(ByteString::from(text), layout, Instant::now()), tree) {
            (Ok(message), Some(tree)) => found(&message, &tree, layout),
            (Ok(_), None) => {}
            (Err(rejected), tree) => {
                refused(rejected.error.code(), tree.as_ref());
                let frame = error_frame(layout, &rejected.error, rejected.re.as_ref());
                let frame: Value = serde_json::from_str(&frame.expect("an error frame")).expect("JSON");
                let re = rejected.re.map(|re| serde_json::to_value(re).expect("JSON"));
                assert_eq!(frame.get("re"), re.as_ref(), "the answer bears the id");
            }
        }
    }
    written(text);
}

fn found(message: &Message, tree: &Value, layout: Layout) {
    assert_eq!(Some(message.name()), tree[layout.tag()].as_str(), "the name");
    let data = (!message.data().is_empty()).then(|| serde_json::from_str(message.data()).expect("a part of JSON"));
    let of_tree = match layout.content() {
        Some(content) => tree.get(content),
        None => Some(tree),
    };
    match (data, of_tree) {
        (Some(data), Some(of_tree)) => assert!(same(&data, of_tree), "the payload: {data} is not {of_tree}"),
        (None, None) => {}
        (data, of_tree) => panic!("the payload: {data:?} is not {of_tree:?}"),
    }
    let id = message.id().map(|id| serde_json::to_value(id).expect("JSON"));
    // As an id, `-0` is an integer.
    let (id, of_tree) = (id.as_ref(), tree.get("id"));
    let is_zero = |value: Option<&Value>| value.and_then(Value::as_f64) == Some(0.0);
    assert!(id == of_tree || (is_zero(id) && is_zero(of_tree)), "the id: {id:?} is not {of_tree:?}");
}

fn refused(code: ErrorCode, tree: Option<&Value>) {
    match code {
        ErrorCode::InvalidJson => assert!(tree.is_none(), "this is JSON"),
        ErrorCode::MissingMessageType => assert!(tree.is_none_or(Value::is_object), "no object has no name"),
        ErrorCode::InvalidMessageFormat => {}
        other => panic!("{other:?} is no word about an envelope"),
    }
}

/// What this server writes, it would read.
fn written(text: &str) {
    let data = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let re = RequestId::Text(text.chars().take(9).collect::<String>().into());
    let Ok(json) = write_envelope(Layout::DEFAULT, text, Some(&data), Some(&re)) else { return };
    let message = Message::read(json, Layout::DEFAULT, Instant::now()).expect("an envelope of our own");
    assert_eq!(message.name(), text, "the name, there and back");
    let back: Value = serde_json::from_str(message.data()).expect("a payload of our own");
    assert!(same(&back, &data), "the payload, there and back: {back} is not {data}");
}
