use channels::prelude::*;

#[derive(Default)]
struct Chat;

#[consumer]
impl Chat {}

fn main() {}
