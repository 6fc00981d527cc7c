use channels::prelude::*;

struct Chat;

impl Chat {
    #[user]
    fn handler(&self) {}
}

fn main() {}
