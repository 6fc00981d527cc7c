use channels::prelude::*;

struct Chat;

impl Chat {
    #[accept]
    fn handler(&self) {}
}

fn main() {}
