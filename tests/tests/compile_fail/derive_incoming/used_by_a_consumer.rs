use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Say { text: String },
    Ping,
}

#[derive(Default)]
struct Chat;

// Its handlers add nothing to what is said of the enum.
#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("say")]
    fn say(&self, _: String) {}

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
