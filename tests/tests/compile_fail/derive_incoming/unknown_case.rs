use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
#[channels(rename_all = "snakeCase")]
enum Messages {
    Say(Text),
}

fn main() {}
