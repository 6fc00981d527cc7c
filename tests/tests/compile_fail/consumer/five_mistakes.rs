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

struct Chat;

#[consumer(incomming = ClientMessage)]
impl Chat {
    #[accept]
    fn accept(&self) -> Self {
        Chat
    }

    #[on("say")]
    #[rate_limit(0, per = "10s")]
    async fn say(&mut self, _: Text) {}

    #[on(ping)]
    async fn ping(&mut self) {}

    #[disconnect]
    unsafe fn left(&mut self) {}
}

fn main() {
    // What uses the consumer adds nothing to what is said of it.
    let _ = ChannelLayer::memory().serve::<Chat>();
}
