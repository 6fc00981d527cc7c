//! Names and envelopes of front ends that exist already.

use channels::message::{Layout, Message};
use channels::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
struct Text {
    text: String,
}

macro_rules! cases {
    ($($module:ident $case:literal $chat:literal $ping:literal;)*) => {$(
        mod $module {
            use super::*;
            #[derive(Debug, Incoming, Outgoing)]
            #[channels(rename_all = $case)]
            pub(super) enum Named { ChatMessage(Text), #[channels(rename = "chat:ping")] Pinged, PingOnce }
            #[test]
            fn names() {
                assert_eq!(Named::NAMES, [$chat, "chat:ping", $ping]);
                assert_eq!(Named::ChatMessage(Text { text: String::new() }).name(), $chat);
                assert_eq!(Named::Pinged.name(), "chat:ping");
                assert_eq!(Named::PingOnce.name(), $ping);
            }
        }
    )*};
}

cases! {
    snake "snake_case" "chat_message" "ping_once";
    camel "camelCase" "chatMessage" "pingOnce";
    kebab "kebab-case" "chat-message" "ping-once";
    pascal "PascalCase" "ChatMessage" "PingOnce";
    screaming_snake "SCREAMING_SNAKE_CASE" "CHAT_MESSAGE" "PING_ONCE";
    screaming_kebab "SCREAMING-KEBAB-CASE" "CHAT-MESSAGE" "PING-ONCE";
    lower "lowercase" "chatmessage" "pingonce";
    upper "UPPERCASE" "CHATMESSAGE" "PINGONCE";
}

#[derive(Debug, Incoming, Outgoing)]
#[channels(tag = "event", content = "payload")]
enum Renamed {
    Said(Text),
    Bye,
}

#[derive(Debug, Incoming, Outgoing)]
#[channels(flat, tag = "event")]
enum Flat {
    Said(Text),
    Bye,
}

#[test]
fn the_members_are_named_as_the_enum_says() {
    assert_eq!(<Renamed as Incoming>::LAYOUT, Layout::nested("event", "payload"));
    let said = Renamed::Said(Text { text: "hi".into() });
    assert_eq!(said.to_json(None).unwrap(), r#"{"event":"said","payload":{"text":"hi"}}"#);
    let message = Message::from_json(said.to_json(None).unwrap(), Renamed::LAYOUT).unwrap();
    assert!(matches!(Renamed::decode(&message), Ok(Renamed::Said(text)) if text.text == "hi"));
    assert_eq!(Renamed::Bye.to_json(None).unwrap(), r#"{"event":"bye"}"#);
}

#[test]
fn a_flat_payload_stands_beside_its_name() {
    assert_eq!(<Flat as Incoming>::LAYOUT, Layout::flat("event"));
    let said = Flat::Said(Text { text: "hi".into() });
    assert_eq!(said.to_json(None).unwrap(), r#"{"event":"said","text":"hi"}"#);
    let message = Message::from_json(said.to_json(None).unwrap(), Flat::LAYOUT).unwrap();
    assert!(matches!(Flat::decode(&message), Ok(Flat::Said(text)) if text.text == "hi"));
    assert_eq!(Flat::Bye.to_json(None).unwrap(), r#"{"event":"bye"}"#);
}

#[derive(Debug, Incoming)]
enum AnyName {
    #[channels(rename = "chat.message")]
    Dots(Text),
    #[channels(rename = "chat-message")]
    Dashes(Text),
    #[channels(rename = "chat:message")]
    Colons(Text),
    #[channels(rename = "nachricht 💬 ä")]
    Unicode,
    #[channels(rename = "{quoted} \"\\")]
    Quoted,
    #[channels(rename = "async")]
    Keyword,
    r#Move,
}

#[derive(Default)]
struct Names;

#[consumer(incoming = AnyName)]
impl Names {
    #[on("chat.message")]
    fn dots(&self, _: Text) {}

    #[on("chat-message")]
    fn dashes(&self, _: Text) {}

    #[on("chat:message")]
    fn colons(&self, _: Text) {}

    #[on("nachricht 💬 ä")]
    fn unicode(&self) {}

    #[on("{quoted} \"\\")]
    fn quoted(&self) {}

    #[on(r"async")]
    fn keyword(&self) {}

    #[on("move")]
    fn r#move(&self) {}
}

#[test]
fn a_name_is_any_string() {
    let names = ["chat.message", "chat-message", "chat:message", "nachricht 💬 ä", "{quoted} \"\\", "async", "move"];
    assert_eq!(AnyName::NAMES, names);
    assert_eq!(<Names as channels::Consumer>::NAMES, names);
    let _: fn(&Names) = Names::r#move;
}
