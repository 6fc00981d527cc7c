//! Names that a careless expansion would trip over.
#![allow(dead_code, non_camel_case_types)]

use channels::prelude::*;
use serde::Deserialize;

// What a prelude has, meaning something else here.
type Result = ();
type Option = ();
type Box = ();
type Vec = ();
type Send = ();
type Future = ();
struct Error;
struct Consumer;
struct Context;
struct Frame;
#[allow(non_upper_case_globals)]
const unknown: u8 = 1;
#[allow(non_upper_case_globals)]
const given: u8 = 1;
const INDEX: usize = 3;
#[allow(non_snake_case)]
fn Ok() {}
#[allow(non_snake_case)]
fn Err() {}
#[allow(non_snake_case)]
fn Some() {}
mod core {}
mod std {}

#[derive(Debug, Deserialize)]
struct message {
    text: ::std::string::String,
}

#[derive(Debug, Incoming)]
enum In {
    Message(message),
    Text(message),
    User,
    Accept,
    Cx,
}

#[derive(Default)]
struct Hostile {
    user: ::std::string::String,
}

#[consumer(incoming = In)]
impl Hostile {
    #[user]
    fn connected(&self) -> ::core::option::Option<UserId> {
        ::core::option::Option::None
    }

    #[on("message")]
    fn message(&mut self, cx: message, replies: Connection, layer: ChannelLayer) {
        let _ = (cx, replies, layer);
    }

    #[on("text")]
    async fn text(&mut self, argument_0: message, argument_1: Connection) {
        let _ = (argument_0, argument_1);
    }

    #[on("user")]
    fn user(&self) {}

    #[on("accept")]
    async fn accept(&self, state: Connection, parts: ConnectionId) {
        let _ = (state, parts);
    }

    #[on("cx")]
    fn cx(&self) {}
}
