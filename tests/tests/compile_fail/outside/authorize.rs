use channels::prelude::*;

struct Chat;

impl Chat {
    #[authorize]
    fn may_join(_group: &str) -> bool {
        true
    }
}

fn main() {}
