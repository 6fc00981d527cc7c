use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[authorize]
    fn may_join(_group: &str) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
