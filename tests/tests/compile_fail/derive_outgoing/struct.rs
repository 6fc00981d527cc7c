use channels::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Outgoing)]
struct Messages {
    text: Text,
}

fn main() {}
