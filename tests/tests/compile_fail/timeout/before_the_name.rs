use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    room: String,
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
    #[on(timeout = "5s", "say")]
    async fn say(&self, text: Text) {
        let _ = text.room;
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
