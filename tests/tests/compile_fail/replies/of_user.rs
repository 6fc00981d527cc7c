use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[user]
    fn user(&self) -> String {
        "ada".into()
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
