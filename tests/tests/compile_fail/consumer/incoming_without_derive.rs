use channels::prelude::*;

enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
