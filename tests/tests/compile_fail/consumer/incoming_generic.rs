use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

struct Chat<T>(T);

#[consumer(incoming = T)]
impl<T: Send + 'static> Chat<T> {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
