use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
#[channels = "flat"]
enum Messages {
    Say(Text),
}

fn main() {}
