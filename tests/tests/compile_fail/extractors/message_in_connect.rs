use channels::message::Message;
use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[connect]
    fn connected(&self, _: Message) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
