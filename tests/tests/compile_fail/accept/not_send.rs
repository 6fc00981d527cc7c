use channels::prelude::*;
use std::rc::Rc;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[accept]
    async fn accept() -> Self {
        let shared = Rc::new(1);
        std::future::ready(()).await;
        drop(shared);
        Chat
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
