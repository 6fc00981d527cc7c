use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[consumer(incoming = ClientMessage)]
struct Chat;

fn main() {}
