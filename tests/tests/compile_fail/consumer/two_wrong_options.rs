use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage, outbox = "lates", first_frame = 10)]
impl Chat {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
