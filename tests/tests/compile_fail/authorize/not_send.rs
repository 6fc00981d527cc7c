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
    async fn may_join(_group: &str) -> bool {
        let here = std::rc::Rc::new(true);
        tokio::task::yield_now().await;
        *here
    }

    #[on("ping")]
    fn ping(&self) {}
}

fn main() {}
