use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
#[channels(tag = "data")]
enum Messages {
    Say(Text),
}

fn main() {}
