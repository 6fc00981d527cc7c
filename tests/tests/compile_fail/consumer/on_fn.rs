use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[consumer(incoming = ClientMessage)]
fn chat() {}

fn main() {}
