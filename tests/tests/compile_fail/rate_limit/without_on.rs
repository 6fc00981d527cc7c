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

    #[rate_limit(20, per = "10s")]
    fn other(&self) {}
}

fn main() {}
