use channels::prelude::*;

struct Chat;

impl Chat {
    #[error]
    fn handler(&self) {}
}

fn main() {}
