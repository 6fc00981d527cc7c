use channels::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct Cursor {
    user: String,
    to: u32,
}

#[derive(Outgoing)]
enum Messages {
    Cursor(Cursor),
    #[channels(outbox = "latest", key = user)]
    Pong,
}

fn main() {}
