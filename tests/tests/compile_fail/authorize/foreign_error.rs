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
    async fn may_join(_group: &str) -> Result<bool, std::io::Error> {
        Ok(true)
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
