use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
enum Messages {
    Say(Text),
    Pong,
}

fn main() {}
