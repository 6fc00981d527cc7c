use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

struct NotNow;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[accept]
    fn accept() -> Result<Self, NotNow> {
        Err(NotNow)
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
