//! The `id` of a request and the `re` of its answer.

use std::fmt;

use serde::{Serialize, Serializer};

/// The longest textual request id, in bytes.
pub const MAX_REQUEST_ID_BYTES: usize = 64;

/// What a client put into `id`: a string of at most [`MAX_REQUEST_ID_BYTES`] bytes or an integer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestId {
    /// A string.
    Text(Box<str>),
    /// An integer, negative ones included.
    Integer(i128),
}

impl RequestId {
    /// Reads one JSON value; `None` where it is no id.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        if json.starts_with('"') {
            // An escape of six characters may stand for one byte.
            if json.len() > MAX_REQUEST_ID_BYTES * 6 + 2 {
                return None;
            }
            let text: Box<str> = serde_json::from_str(json).ok()?;
            return (text.len() <= MAX_REQUEST_ID_BYTES).then_some(Self::Text(text));
        }
        let number: i128 = json.parse().ok()?;
        let in_range = number >= i128::from(i64::MIN) && number <= i128::from(u64::MAX);
        in_range.then_some(Self::Integer(number))
    }
}

/// As it goes into a log: a client's words are quoted, so that they cannot forge a line.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
        }
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            // `parse` admits only what fits one of the two.
            Self::Integer(number) => match i64::try_from(*number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.serialize_u64(u64::try_from(*number).unwrap_or(u64::MAX)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_short_string_or_an_integer() {
        assert_eq!(RequestId::parse("7"), Some(RequestId::Integer(7)));
        assert_eq!(RequestId::parse("-7"), Some(RequestId::Integer(-7)));
        assert_eq!(RequestId::parse("\"a\""), Some(RequestId::Text("a".into())));
        assert!(RequestId::parse(&format!("\"{}\"", "a".repeat(64))).is_some());
        for wrong in ["1.5", "1e3", "true", "null", "[]", "18446744073709551616"] {
            assert_eq!(RequestId::parse(wrong), None, "{wrong}");
        }
        assert_eq!(RequestId::parse(&format!("\"{}\"", "a".repeat(65))), None);
    }
}
