use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
enum Messages<'a> {
    Say(Text),
    Other(&'a str),
}

fn main() {}
