use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat {
    count: std::cell::Cell<u8>,
}

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("ping")]
    async fn ping(&self) {
        self.count.set(self.count.get() + 1);
    }
}

fn main() {}
