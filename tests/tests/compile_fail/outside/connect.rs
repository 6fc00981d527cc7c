use channels::prelude::*;

struct Chat;

impl Chat {
    #[connect]
    fn handler(&self) {}
}

fn main() {}
