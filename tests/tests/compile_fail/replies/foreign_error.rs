use channels::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
enum ClientMessage {
    Say(Text),
    Ping,
}

#[derive(Serialize)]
struct Said {
    text: String,
}

#[derive(Outgoing)]
enum ServerMessage {
    Said(Said),
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Chat {
    #[on("say")]
    async fn say(&mut self, _: Text) -> Result<(), std::io::Error> {
        Ok(())
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
