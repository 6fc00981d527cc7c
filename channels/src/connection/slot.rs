//! What a message is about at one connection: of those with the same slot only the latest matters.

use bytestring::ByteString;

use crate::backend::Topic;

/// Who a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// One connection alone, by [`Connection::send`](super::Connection::send).
    Own,
    Group,
    User,
    Connection,
    Everybody,
}

impl From<Topic<'_>> for Audience {
    fn from(topic: Topic<'_>) -> Self {
        match topic {
            Topic::Group(_) => Self::Group,
            Topic::User(_) => Self::User,
            Topic::Connection(_) => Self::Connection,
            Topic::Broadcast => Self::Everybody,
        }
    }
}

/// Who it is for and its key. Made once a send, for all members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(ByteString);

impl Slot {
    /// Of what is for a group, or for one of the others: a connection has one user and one id, so neither need be named.
    pub(super) fn of(audience: Audience, group: Option<&str>, key: &str) -> Self {
        let group = group.unwrap_or_default();
        // The length keeps apart where the group's name ends and the key begins.
        Self(format!("{}{}:{group}{key}", audience as u8, group.len()).into())
    }
}

/// The name in a finished message, as it stands there: the envelope begins with it.
pub(super) fn name(json: &str) -> Option<&str> {
    let (_, rest) = string(json.strip_prefix('{')?)?;
    string(rest.strip_prefix(':')?).map(|(name, _)| name)
}

/// A string of JSON at the beginning of a text, and what follows it.
fn string(json: &str) -> Option<(&str, &str)> {
    let inside = json.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((&inside[..end], &inside[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Key;

    #[test]
    fn no_two_topics_share_a_slot() {
        let key = Key::new("cursor", &()).unwrap();
        let topics = [
            (Audience::Group, Some("rust")),
            (Audience::Group, Some("rus")),
            (Audience::Group, Some("rust[\"cursor\",null]")),
            (Audience::Group, Some("1:x")),
            (Audience::User, None),
            (Audience::Connection, None),
            (Audience::Everybody, None),
            (Audience::Own, None),
        ];
        let slots = topics.map(|(audience, group)| Slot::of(audience, group, key.as_str()));
        assert_eq!(std::collections::HashSet::from(slots).len(), topics.len());
    }

    #[test]
    fn the_name_is_found_where_the_envelope_begins() {
        assert_eq!(name(r#"{"type":"said","data":{"type":"x"}}"#), Some("said"));
        assert_eq!(name(r#"{"event":"a\"b\\","x":1}"#), Some(r#"a\"b\\"#));
        for nameless in ["", "[]", r#"{"type""#, r#"{"type":1}"#, r#"{"type":"x"#, "{}"] {
            assert_eq!(name(nameless), None, "{nameless}");
        }
    }
}
