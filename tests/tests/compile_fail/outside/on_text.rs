use channels::prelude::*;

struct Chat;

impl Chat {
    #[on_text]
    fn handler(&self) {}
}

fn main() {}
