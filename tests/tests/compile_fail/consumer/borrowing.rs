use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

struct Chat<'a>(&'a str);

#[consumer(incoming = ClientMessage)]
impl<'a> Chat<'a> {
    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
