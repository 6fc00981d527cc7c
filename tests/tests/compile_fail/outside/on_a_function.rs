use channels::prelude::*;

#[on("ping")]
fn ping() {}

fn main() {}
