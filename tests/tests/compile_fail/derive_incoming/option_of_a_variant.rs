use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
enum Messages {
    #[channels(tag = "kind")]
    Say(Text),
}

fn main() {}
