//! A typed message through a session, without a socket: read, dispatched, handled, answered.

#![allow(clippy::unwrap_used, reason = "what fails here, fails the benchmark")]

mod setup;

use channels::prelude::*;
use channels::testing::{self, Client};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    room: String,
    text: String,
}

#[derive(Debug, Incoming)]
enum ClientMessage {
    Sync(Text),
    Async(Text),
}

#[derive(Debug, Outgoing)]
enum ServerMessage {
    Back(Text),
}

#[derive(Default)]
struct Echo;

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Echo {
    #[on("sync")]
    fn sync(&self, text: Text) -> ServerMessage {
        ServerMessage::Back(text)
    }

    #[on("async")]
    async fn asynchronous(&self, text: Text) -> ServerMessage {
        ServerMessage::Back(text)
    }
}

fn main() {
    let mut criterion = setup::criterion();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let layer = ChannelLayer::memory();
    let mut client = runtime.block_on(async { testing::connect::<Echo>(&layer, ()).await.unwrap() });
    let mut group = criterion.benchmark_group("dispatch");
    for (name, text) in [
        ("a sync handler", r#"{"type":"sync","data":{"room":"rust","text":"Hello, everybody!"}}"#),
        ("an async handler", r#"{"type":"async","data":{"room":"rust","text":"Hello, everybody!"}}"#),
        ("a payload that does not parse", r#"{"type":"sync","data":{"room":"rust"}}"#),
        ("an unknown message", r#"{"type":"other","data":{"room":"rust","text":"Hello, everybody!"}}"#),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| there_and_back(&runtime, &mut client, text)));
    }
    group.finish();
    criterion.final_summary();
}

fn there_and_back(runtime: &Runtime, client: &mut Client, text: &'static str) {
    runtime.block_on(async {
        client.send_text(text).await;
        client.next_frame().await
    });
}
