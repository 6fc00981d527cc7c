use channels::prelude::*;
use std::cell::Cell;

use serde::Serialize;

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Outgoing)]
enum Messages {
    Said(Text),
    Shared(Cell<u8>),
}

fn main() {}
