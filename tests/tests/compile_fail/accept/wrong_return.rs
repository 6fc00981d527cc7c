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
    fn accept() -> Option<Self> {
        None
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
