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
    fn may_join(_group: &'static str) -> bool {
        true
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
