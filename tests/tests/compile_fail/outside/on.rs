use channels::prelude::*;

struct Chat;

impl Chat {
    #[on("ping")]
    fn handler(&self) {}
}

fn main() {}
