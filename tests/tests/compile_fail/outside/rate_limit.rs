use channels::prelude::*;

struct Chat;

impl Chat {
    #[rate_limit(1, per = "1s")]
    fn handler(&self) {}
}

fn main() {}
