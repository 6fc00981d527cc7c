use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[connect]
    async fn connected(&mut self) -> u8 {
        1
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
