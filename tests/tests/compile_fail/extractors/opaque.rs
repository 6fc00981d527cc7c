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

    #[connect]
    fn connected(&self, _: impl Extract<()>) {}
}

fn main() {}
