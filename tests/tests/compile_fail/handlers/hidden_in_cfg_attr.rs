use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[cfg_attr(unix, on("ping"))]
    fn ping(&self) {}
}

fn main() {}
