use channels::prelude::*;

struct Chat;

impl Chat {
    #[on_binary]
    fn handler(&self) {}
}

fn main() {}
