use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[disconnect]
    fn left(&self, _: String) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
