//! Encodings of the envelope.
//!
//! JSON is the canonical form: it is what handlers parse, what groups and backends carry. A
//! serializer turns it into what one client negotiated, and back. So a message to a group is
//! encoded once, and translated at most once for each other encoding in use, whatever the number
//! of members.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use super::frame::Frame;
use crate::error::BoxError;

/// An encoding that a client selects by the subprotocol `channels.v1.<name>`.
///
/// ```
/// use bytes::Bytes;
/// use bytestring::ByteString;
/// use channels::message::{Frame, Serializer};
///
/// /// JSON in binary frames, for clients that cannot send text.
/// #[derive(Debug)]
/// struct BinaryJson;
///
/// impl Serializer for BinaryJson {
///     fn name(&self) -> &'static str { "binary-json" }
///     fn encode(&self, json: &ByteString) -> Result<Frame, channels::BoxError> {
///         Ok(Frame::Binary(json.as_bytes().clone()))
///     }
///     fn decode(&self, bytes: Bytes) -> Result<ByteString, channels::BoxError> {
///         Ok(ByteString::try_from(bytes)?)
///     }
/// }
/// ```
pub trait Serializer: fmt::Debug + Send + Sync + 'static {
    /// The last part of the subprotocol: `json` in `channels.v1.json`.
    fn name(&self) -> &'static str;

    /// One finished JSON envelope, as this encoding's frame.
    ///
    /// # Errors
    ///
    /// Where the encoding cannot express it; the message is then dropped for this client, counted
    /// and logged.
    fn encode(&self, json: &ByteString) -> Result<Frame, BoxError>;

    /// A received binary frame, as JSON.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this encoding; the client is told `INVALID_JSON`.
    fn decode(&self, bytes: Bytes) -> Result<ByteString, BoxError>;

    /// Whether its messages arrive in binary frames. Otherwise binary frames are raw ones, for
    /// `#[on_binary]`.
    fn is_binary(&self) -> bool {
        true
    }
}

/// Text frames, as they are: `channels.v1.json`, and what a client gets that names nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Serializer for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn encode(&self, json: &ByteString) -> Result<Frame, BoxError> {
        Ok(Frame::Text(json.clone()))
    }

    fn decode(&self, bytes: Bytes) -> Result<ByteString, BoxError> {
        Ok(ByteString::try_from(bytes)?)
    }

    fn is_binary(&self) -> bool {
        false
    }
}

/// MessagePack in binary frames: `channels.v1.msgpack`.
///
/// A payload's bytes (`bin`) reach a handler as an array of numbers, as they would in JSON.
#[cfg(feature = "msgpack")]
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

#[cfg(feature = "msgpack")]
impl Serializer for MessagePack {
    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn encode(&self, json: &ByteString) -> Result<Frame, BoxError> {
        let mut bytes = Vec::with_capacity(json.len());
        let mut from = serde_json::Deserializer::from_str(json);
        // It was written here, of what was bounded where it came in: as deep as a payload may be, and its envelope.
        from.disable_recursion_limit();
        let mut to = rmp_serde::Serializer::new(&mut bytes);
        serde_transcode::transcode(&mut from, &mut to)?;
        Ok(Frame::Binary(bytes.into()))
    }

    fn decode(&self, bytes: Bytes) -> Result<ByteString, BoxError> {
        let mut json = Vec::with_capacity(bytes.len() + bytes.len() / 2);
        let mut rest: &[u8] = &bytes;
        let mut from = rmp_serde::Deserializer::new(&mut rest);
        // It gives up when it has counted so far, at what would have been allowed.
        from.set_max_depth(MAX_DEPTH + 1);
        serde_transcode::transcode(&mut from, &mut serde_json::Serializer::new(&mut json))?;
        drop(from);
        if !rest.is_empty() {
            return Err("bytes after the end of the message".into());
        }
        Ok(ByteString::from(String::from_utf8(json)?))
    }
}

/// The deepest nesting of a MessagePack message: an envelope with the deepest payload that serde_json would take afterwards.
#[cfg(feature = "msgpack")]
const MAX_DEPTH: usize = 128;

/// The subprotocol of a serializer.
pub(crate) fn subprotocol(serializer: &dyn Serializer) -> Cow<'static, str> {
    match serializer.name() {
        "json" => Cow::Borrowed("channels.v1.json"),
        "msgpack" => Cow::Borrowed("channels.v1.msgpack"),
        other => Cow::Owned(format!("channels.v1.{other}")),
    }
}

#[cfg(all(test, feature = "msgpack"))]
mod tests {
    use super::*;

    #[test]
    fn messagepack_and_back_is_the_same_envelope() {
        let json = ByteString::from_static(r#"{"type":"chat","data":{"n":1.5,"t":"é","l":[1,null,true]}}"#);
        let Frame::Binary(bytes) = MessagePack.encode(&json).unwrap() else { panic!("not binary") };
        assert!(bytes.len() < json.len());
        assert_eq!(MessagePack.decode(bytes).unwrap(), json);
    }

    #[test]
    fn the_deepest_payload_that_is_taken_can_be_passed_on() {
        let data = ["[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1)].concat();
        let json = ByteString::from(format!(r#"{{"type":"said","data":{data}}}"#));
        let Frame::Binary(bytes) = MessagePack.encode(&json).unwrap() else { panic!("not binary") };
        assert_eq!(MessagePack.decode(bytes).unwrap(), json);
    }

    #[test]
    fn hostile_messagepack_is_an_error() {
        for bytes in [&b"\xc1"[..], b"", b"\xdf\xff\xff\xff\xff", b"\x81\xa1a\x01\x01"] {
            assert!(MessagePack.decode(Bytes::from_static(bytes)).is_err(), "{bytes:x?}");
        }
        assert!(MessagePack.decode(Bytes::from(vec![0x91; 10_000_000])).is_err());
    }

    #[test]
    fn messagepack_is_nested_to_the_last_level() {
        let nested = |levels: usize| MessagePack.decode(Bytes::from([vec![0x91; levels - 1], vec![0x90]].concat()));
        assert_eq!(nested(MAX_DEPTH).unwrap().len(), 2 * MAX_DEPTH);
        assert!(nested(MAX_DEPTH + 1).is_err());
    }
}
