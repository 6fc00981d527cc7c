use channels::prelude::*;

#[derive(Default)]
struct Chat;

#[consumer]
impl Chat {
    #[on_text]
    fn text(&self, _: String, Path(_): Path<UserId>) {}
}

fn main() {}
