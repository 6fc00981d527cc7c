use channels::prelude::*;

struct Chat;

impl Chat {
    #[validate]
    fn handler(&self) {}
}

fn main() {}
