use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
enum Messages {
    Say(#[channels(rename = "words")] Text),
}

fn main() {}
