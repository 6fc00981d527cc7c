use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage, outbox = "newest")]
impl Chat {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
