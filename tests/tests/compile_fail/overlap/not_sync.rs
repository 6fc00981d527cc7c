use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    room: u8,
}

#[derive(Incoming)]
enum ClientMessage {
    Say(Text),
    Ping,
}

#[derive(Default)]
struct Chat {
    last: std::cell::Cell<u8>,
}

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("say", concurrency = 4)]
    async fn say(&self, text: Text) {
        self.last.set(text.room);
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
