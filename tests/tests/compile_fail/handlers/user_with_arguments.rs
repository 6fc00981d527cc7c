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

    #[user]
    fn user(&mut self, _: Connection) -> Option<UserId> {
        None
    }
}

fn main() {}
