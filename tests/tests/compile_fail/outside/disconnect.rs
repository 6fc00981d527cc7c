use channels::prelude::*;

struct Chat;

impl Chat {
    #[disconnect]
    fn handler(&self) {}
}

fn main() {}
