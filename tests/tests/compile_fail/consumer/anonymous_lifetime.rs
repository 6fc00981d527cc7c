use channels::prelude::*;

struct Chat<'a>(&'a str);

#[consumer]
impl Chat<'_> {
    #[on_text]
    fn text(&self, _: String) {}
}

fn main() {}
