use channels::prelude::*;

#[derive(Default)]
struct Chat;

#[consumer]
impl Chat {
    #[on_text]
    #[validate]
    fn text(&self, _: String) {}
}

fn main() {}
