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
    fn may_join(_group: &str) -> bool {
        true
    }

    #[authorize]
    fn may_enter(_group: &str) -> bool {
        false
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
