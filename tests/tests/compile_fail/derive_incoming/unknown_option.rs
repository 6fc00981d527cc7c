use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
#[channels(contents = "payload")]
enum Messages {
    Say(Text),
}

fn main() {}
