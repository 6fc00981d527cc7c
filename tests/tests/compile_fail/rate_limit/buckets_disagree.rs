use channels::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Incoming)]
enum ClientMessage {
    Say(Text),
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[on("say")]
    #[rate_limit(20, per = "10s", bucket = "all")]
    fn say(&self, _: Text) {}

    #[on("ping")]
    #[rate_limit(30, per = "10s", bucket = "all")]
    fn ping(&self) {}
}

fn main() {}
