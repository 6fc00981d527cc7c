use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

struct Chat<T>(T);

#[consumer(incoming = ClientMessage)]
impl<T> Chat<T> {
    #[accept]
    fn accept() -> Self {
        unimplemented!()
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
