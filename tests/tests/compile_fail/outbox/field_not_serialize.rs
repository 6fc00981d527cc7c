use channels::prelude::*;
use serde::Serialize;

struct Id(u32);

#[derive(Serialize)]
struct Cursor {
    #[serde(skip)]
    user: Id,
    to: u32,
}

#[derive(Outgoing)]
enum Messages {
    #[channels(outbox = "latest", key = user)]
    Cursor(Cursor),
}

fn main() {}
