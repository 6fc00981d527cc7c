use channels::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Outgoing)]
enum Messages {
    Said(Text),
    #[channels(rename = "said")]
    Shouted(Text),
}

fn main() {}
