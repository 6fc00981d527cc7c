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

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("say")]
    fn say(&self, text: Text) -> Said {
        Said { text: text.text }
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
