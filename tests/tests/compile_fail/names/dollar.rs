use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("$ok")]
    fn ok(&self) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
