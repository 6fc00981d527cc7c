use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Clone)]
struct Db;

struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[accept]
    fn accept(State(_): State<Db>) -> Self {
        Self
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
