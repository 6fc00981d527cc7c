use channels::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct Cursor {
    user: String,
    to: u32,
}

#[derive(Outgoing)]
enum Messages {
    #[channels(outbox = "latest", key = "user")]
    Cursor(Cursor),
}

fn main() {}
