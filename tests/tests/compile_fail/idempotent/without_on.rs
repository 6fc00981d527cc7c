use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[user]
    fn user(&self) -> Option<UserId> {
        None
    }

    #[on("ping")]
    async fn ping(&self) {}

    #[idempotent(window = "5m")]
    async fn other(&self) {}
}

fn main() {}
