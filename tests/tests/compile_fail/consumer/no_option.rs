use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(ClientMessage)]
impl Chat {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
