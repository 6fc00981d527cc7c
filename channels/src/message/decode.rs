//! Reading an envelope: one pass that finds the members and builds no tree.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytestring::ByteString;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{Answered, Instead, Layout, Message, Part, Priority, RequestId, Ttl};
use crate::error::{Error, ErrorCode, shown};

/// How much is told of what is no JSON, in bytes.
const MAX_JSON_WORDS_BYTES: usize = 200;

/// An envelope that was refused, and the `id` to answer where one was readable.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) error: Error,
    pub(crate) re: Option<RequestId>,
}

/// The members of an envelope, still JSON.
#[derive(Default)]
struct Members<'a> {
    tag: Option<&'a RawValue>,
    content: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    ttl: Option<&'a RawValue>,
    priority: Option<&'a RawValue>,
    twice: Option<&'static str>,
    no_object: bool,
}

pub(super) fn decode(json: ByteString, layout: Layout, received_at: Instant) -> Result<Message, Rejected> {
    let members = match find_members(&json, layout) {
        Ok(members) => members,
        Err(error) => return Err(Rejected { error: no_json(&error), re: None }),
    };
    let re = members.id.and_then(|id| RequestId::parse(id.get()));
    let refused = |error| Rejected { error, re: re.clone() };
    if members.no_object {
        return Err(refused(malformed("A message is a JSON object.")));
    }
    if let Some(member) = members.twice {
        return Err(refused(malformed(format!("`{member}` stands twice in the message."))));
    }
    if members.id.is_some() && re.is_none() {
        return Err(refused(malformed("`id` is a string of at most 64 bytes or an integer.")));
    }
    let (name, instead) = read_name(&json, members.tag, layout).map_err(refused)?;
    let (metadata, ttl, priority) = read_extras(&members).map_err(refused)?;
    let data = match layout.content() {
        Some(_) => members.content.map_or(0..0, |raw| part(&json, raw.get())),
        None => 0..json.len(),
    };
    let metadata = metadata.map_or(0..0, |raw| part(&json, raw));
    let answered = Answered::of(re.as_ref());
    Ok(Message { frame: json, name, data, metadata, id: re, answered, ttl, priority, received_at, instead })
}

/// Where a piece of the frame stands in it.
fn part(frame: &str, piece: &str) -> Part {
    let start = piece.as_ptr() as usize - frame.as_ptr() as usize;
    start..start + piece.len()
}

fn find_members<'a>(json: &'a str, layout: Layout) -> Result<Members<'a>, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_str(json);
    let members = serde::Deserializer::deserialize_any(&mut from, FindMembers { layout })?;
    from.end()?;
    Ok(members)
}

fn no_json(source: &serde_json::Error) -> Error {
    Error::new(ErrorCode::InvalidJson, format!("This is no JSON: {}.", shown(source, MAX_JSON_WORDS_BYTES)))
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidMessageFormat, message)
}

/// Where the name stands; if it has escapes, what it is without them.
fn read_name(json: &str, tag: Option<&RawValue>, layout: Layout) -> Result<(Part, Option<Box<Instead>>), Error> {
    let Some(raw) = tag else {
        let message = format!("The message has no `{}`.", layout.tag());
        return Err(Error::new(ErrorCode::MissingMessageType, message));
    };
    let raw = raw.get();
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(malformed(format!("`{}` is a string.", layout.tag())));
    };
    if !inner.contains('\\') {
        return Ok((part(json, inner), None));
    }
    let name = serde_json::from_str::<String>(raw).map_err(|error| no_json(&error))?;
    Ok((part(json, inner), Some(Box::new(Instead { name: Some(name.into()), data: None }))))
}

type Extras<'a> = (Option<&'a str>, Option<Ttl>, Priority);

fn read_extras<'a>(members: &Members<'a>) -> Result<Extras<'a>, Error> {
    let present = |raw: Option<&'a RawValue>| raw.map(RawValue::get).filter(|json| *json != "null");
    let metadata = present(members.metadata);
    if metadata.is_some_and(|json| !json.starts_with('{')) {
        return Err(malformed("`metadata` is an object."));
    }
    let ttl = match present(members.ttl) {
        None => None,
        Some(json) => Some(read_ttl(json).ok_or_else(|| malformed("`ttl_seconds` is a number."))?),
    };
    let priority = match present(members.priority) {
        None | Some("\"normal\"") => Priority::Normal,
        Some("\"high\"") => Priority::High,
        Some("\"low\"") => Priority::Low,
        Some(_) => return Err(malformed("`priority` is \"high\", \"normal\" or \"low\".")),
    };
    Ok((metadata, ttl, priority))
}

fn read_ttl(json: &str) -> Option<Ttl> {
    let seconds: f64 = serde_json::from_str(json).ok()?;
    if seconds <= 0.0 {
        return Some(Ttl::Expired);
    }
    // A time to live beyond what a Duration holds is one without end.
    Some(Ttl::For(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
}

struct FindMembers {
    layout: Layout,
}

impl<'de> Visitor<'de> for FindMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key_seed(Key)? {
            let (place, name) = match &*key {
                key if key == self.layout.tag() => (&mut members.tag, self.layout.tag()),
                key if Some(key) == self.layout.content() => {
                    (&mut members.content, self.layout.content().unwrap_or_default())
                }
                "id" => (&mut members.id, "id"),
                "metadata" => (&mut members.metadata, "metadata"),
                "ttl_seconds" => (&mut members.ttl, "ttl_seconds"),
                "priority" => (&mut members.priority, "priority"),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = map.next_value::<&RawValue>()?;
            if place.replace(value).is_some() {
                members.twice.get_or_insert(name);
            }
        }
        Ok(members)
    }

    // Whatever is no object is read to its end all the same: `[1` is no JSON, `[1]` no object.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(no_object())
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(no_object())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(no_object())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(no_object())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(no_object())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(no_object())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(no_object())
    }
}

fn no_object<'a>() -> Members<'a> {
    Members { no_object: true, ..Members::default() }
}

/// A member's name, borrowed unless it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Message, Rejected> {
        decode(ByteString::from(json), Layout::DEFAULT, Instant::now())
    }

    fn refusal(json: &str) -> ErrorCode {
        read(json).expect_err(json).error.code()
    }

    #[test]
    fn the_payload_is_a_slice_of_the_frame() {
        let frame = ByteString::from(r#"{"data": {"n": [1, 2]}, "type": "a", "x": 1}"#);
        let message = decode(frame.clone(), Layout::DEFAULT, Instant::now()).unwrap();
        assert_eq!(message.data(), r#"{"n": [1, 2]}"#);
        let (frame, data) = (frame.as_bytes().as_ptr_range(), message.data().as_ptr());
        assert!(frame.contains(&data), "copied");
    }

    #[test]
    fn what_is_no_envelope_has_its_code() {
        for json in ["", "  ", "{", "[1", "nope", r#"{"type":"a"} x"#, r#"{"type":"\ud800"}"#] {
            assert_eq!(refusal(json), ErrorCode::InvalidJson, "{json}");
        }
        let wrong = [
            "[1]",
            "1",
            "-1.5",
            "\"a\"",
            "null",
            "true",
            r#"{"type":1}"#,
            r#"{"type":"a","type":"a"}"#,
            r#"{"type":"a","data":1,"data":2}"#,
            r#"{"type":"a","id":1.5}"#,
            r#"{"type":"a","metadata":1}"#,
            r#"{"type":"a","ttl_seconds":"x"}"#,
            r#"{"type":"a","priority":"urgent"}"#,
        ];
        for json in wrong {
            assert_eq!(refusal(json), ErrorCode::InvalidMessageFormat, "{json}");
        }
        assert_eq!(refusal(r#"{"data":{}}"#), ErrorCode::MissingMessageType);
    }

    #[test]
    fn an_error_bears_the_id_where_there_is_one() {
        let rejected = read(r#"{"type":1,"id":"q"}"#).unwrap_err();
        assert_eq!(rejected.re, Some(RequestId::Text("q".into())));
    }

    #[test]
    fn ten_megabytes_of_brackets_neither_overflow_nor_pass() {
        assert_eq!(refusal(&"[".repeat(10_000_000)), ErrorCode::InvalidJson);
        let nested = format!(r#"{{"type":"a","data":{}{}}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
        let message = read(&nested).unwrap();
        let error = message.payload::<serde_json::Value>().unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed);
    }

    #[test]
    fn a_flat_envelope_is_its_own_payload() {
        let frame = ByteString::from(r#"{"event":"a","n":1}"#);
        let message = decode(frame, Layout::flat("event"), Instant::now()).unwrap();
        assert_eq!(message.name(), "a");
        assert_eq!(message.data(), r#"{"event":"a","n":1}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_expires_from_its_receipt_on() {
        assert!(read(r#"{"type":"a","ttl_seconds":0}"#).unwrap().is_expired());
        assert!(read(r#"{"type":"a","ttl_seconds":-1}"#).unwrap().is_expired());
        let message = read(r#"{"type":"a","ttl_seconds":1.5}"#).unwrap();
        assert!(!message.is_expired());
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert!(message.is_expired());
        assert!(!read(r#"{"type":"a","ttl_seconds":1e300}"#).unwrap().is_expired());
    }
}
