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
    async fn may_join(_group: &str) -> Option<UserId> {
        None
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
