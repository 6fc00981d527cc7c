use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Cursor {
    to: u32,
}

#[derive(Incoming)]
enum Messages {
    #[channels(outbox = "drop_newest")]
    Cursor(Cursor),
}

fn main() {}
