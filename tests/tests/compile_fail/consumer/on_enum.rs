use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[consumer(incoming = ClientMessage)]
enum Chat {}

fn main() {}
