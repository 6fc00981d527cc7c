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
    #[rate_limit(5000000000, per = "10s")]
    fn ping(&self) {}
}

fn main() {}
