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

enum ServerMessage {
    Said(Text),
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Chat {
    #[on("say")]
    fn say(&self, _: Text) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
