use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("error")]
    fn error(&self) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
