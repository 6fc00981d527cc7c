use channels::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct Text {
    text: String,
}

struct Other;

#[derive(Outgoing)]
enum Messages {
    Said(Text),
    Other(Other),
}

fn main() {}
