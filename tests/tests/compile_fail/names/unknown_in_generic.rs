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
struct Chat<T>(T);

#[consumer(incoming = ClientMessage)]
impl<T: Default + Send + Sync + 'static> Chat<T> {
    #[on("pimg")]
    fn pimg(&self) {}

    #[on("say")]
    fn say(&self, _: Text) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
