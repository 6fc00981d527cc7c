use channels::prelude::*;

#[derive(Default)]
struct Chat;

#[consumer]
impl Chat {
    #[on_text]
    fn text(&self) {}
}

fn main() {}
