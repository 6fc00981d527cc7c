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
    #[on("say")]
    async fn say(&self, text: Text) {
        let _ = text.room;
    }

    #[on("ping")]
    fn ping(&self) {}

    #[on_binary(time_out = "5s")]
    async fn binary(&self, data: Bytes) {
        let _ = data;
    }
}

fn main() {}
