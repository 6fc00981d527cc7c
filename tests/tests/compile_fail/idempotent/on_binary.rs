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

    #[on_binary]
    #[idempotent(window = "5m")]
    async fn bytes(&self, _data: Bytes) {}

    #[on("ping")]
    async fn ping(&self) {}
}

fn main() {}
