use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
union Messages {
    text: std::mem::ManuallyDrop<Text>,
}

fn main() {}
