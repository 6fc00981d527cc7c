use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Say(String),
    Ping,
}

#[derive(Outgoing)]
enum ServerMessage {
    Pong,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Chat {
    #[on("say")]
    async fn say(&self, line: String) -> String {
        line
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
