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
    #[idempotent(window = "5m")]
    #[idempotent(window = "5m")]
    async fn ping(&self) {}
}

fn main() {}
