use channels::prelude::*;

struct Chat;

impl Chat {
    #[idempotent(window = "5m")]
    fn handler(&self) {}
}

fn main() {}
