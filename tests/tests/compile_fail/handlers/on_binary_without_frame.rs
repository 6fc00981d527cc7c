use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("ping")]
    fn ping(&self) {}

    #[on_binary]
    fn binary(&mut self) {}
}

fn main() {}
