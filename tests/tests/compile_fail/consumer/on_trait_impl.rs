use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

trait Handle {
    fn ping(&self);
}

#[consumer(incoming = ClientMessage)]
impl Handle for Chat {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
