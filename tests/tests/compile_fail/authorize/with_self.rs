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
    fn may_join(&self, _group: &str) -> bool {
        true
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
