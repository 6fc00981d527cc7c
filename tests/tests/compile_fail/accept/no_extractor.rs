use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[accept]
    fn accept(_: Connection) -> Self {
        Chat
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
