use channels::prelude::*;
use std::pin::Pin;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("ping")]
    async fn ping(self: Pin<&mut Self>) {}
}

fn main() {}
