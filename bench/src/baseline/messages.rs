//! The messages, read without copying where JSON allows it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What clients send, and but for the last two what they get.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(super) enum Envelope<'a> {
    #[serde(borrow)]
    ChatMessage(Text<'a>),
    #[serde(borrow)]
    Echo(Text<'a>),
    #[serde(borrow)]
    GroupMessage(GroupText<'a>),
    #[serde(borrow)]
    Join(Membership<'a>),
    #[serde(borrow)]
    Leave(Membership<'a>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Text<'a> {
    #[serde(borrow)]
    room: Cow<'a, str>,
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct GroupText<'a> {
    #[serde(borrow)]
    pub(super) group: Cow<'a, str>,
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Membership<'a> {
    #[serde(borrow)]
    pub(super) group: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_out_as_it_came_in() {
        for json in [
            r#"{"type":"chat_message","data":{"room":"r","t":"1","text":"hi"}}"#,
            r#"{"type":"echo","data":{"room":"r","t":"1","text":"a \"b\""}}"#,
            r#"{"type":"group_message","data":{"group":"g","t":"1","text":""}}"#,
            r#"{"type":"leave","data":{"group":"g"}}"#,
        ] {
            let message: Envelope<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&message).unwrap(), json);
        }
    }
}
