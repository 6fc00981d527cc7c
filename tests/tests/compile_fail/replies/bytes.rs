use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Say(String),
    Ping,
}

#[derive(Outgoing)]
enum ServerMessage {
    Said(String),
    Pong,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Chat {
    #[on("say")]
    async fn say(&self, line: String) -> Vec<Bytes> {
        vec![line.into()]
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
