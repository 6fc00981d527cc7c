use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
enum ClientMessage {
    Say(Text),
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("say")]
    fn say(&self, _: Text) {}

    #[cfg(true)]
    #[on("say")]
    fn say_again(&self, _: Text) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
