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
    #[rate_limit(20, per = "10s", observe_only = true)]
    fn ping(&self) {}
}

fn main() {}
