//! MessagePack: what comes out is JSON, and there and back nothing changes.

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::Value;

use super::same;
use crate::message::{Frame, MessagePack, Serializer};

/// A binary frame; where it is UTF-8, also as the JSON of a message that goes out.
pub fn msgpack(input: &[u8]) {
    if let Ok(json) = MessagePack.decode(Bytes::copy_from_slice(input)) {
        there_and_back(&json);
    }
    if let Ok(json) = std::str::from_utf8(input) {
        there_and_back(&ByteString::from(json));
    }
}

fn there_and_back(json: &ByteString) {
    let Ok(value) = serde_json::from_str::<Value>(json) else { return };
    let Ok(frame) = MessagePack.encode(json) else { panic!("JSON that MessagePack does not take: {json}") };
    let Frame::Binary(bytes) = frame else { panic!("text") };
    let back = MessagePack.decode(bytes).expect("MessagePack of our own");
    let back: Value = serde_json::from_str(&back).expect("JSON of our own");
    assert!(same(&back, &value), "{back} is not {value}");
}
