use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage, incoming = ClientMessage)]
impl Chat {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
