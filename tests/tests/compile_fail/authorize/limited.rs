use channels::prelude::*;

#[derive(Incoming)]
enum ClientMessage {
    Ping,
}

#[derive(Default)]
struct Chat;

#[consumer(incoming = ClientMessage)]
impl Chat {
    #[authorize]
    #[rate_limit(1, per = "1s")]
    fn may_join(_group: &str) -> bool {
        true
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
