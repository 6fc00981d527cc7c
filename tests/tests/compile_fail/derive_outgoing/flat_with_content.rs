use channels::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Outgoing)]
#[channels(flat, content = "payload")]
enum Messages {
    Said(Text),
}

fn main() {}
