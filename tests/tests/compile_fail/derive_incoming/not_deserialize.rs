use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

struct Other;

#[derive(Incoming)]
enum Messages {
    Say(Text),
    Other(Other),
}

fn main() {}
