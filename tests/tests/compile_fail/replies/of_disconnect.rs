use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[disconnect]
    async fn left(&mut self) -> String {
        "bye".into()
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
