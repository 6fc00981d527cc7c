use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incomming = ClientMessage)]
impl Chat {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
