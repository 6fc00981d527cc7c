use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[consumer(incoming = ClientMessage)]
mod chat {}

fn main() {}
