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
    async fn accept(Path(_): Path<UserId>) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
