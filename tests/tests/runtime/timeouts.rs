//! Handlers that say themselves how long they may take.

use std::time::Duration;

use channels::prelude::*;
use channels::testing;
use channels::{Config, Error};
use serde_json::json;
use tokio::time::Instant;

#[derive(Debug, Incoming)]
enum Ask {
    Brief,
    Long,
    Usual,
    Count,
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Counted(u32),
}

#[derive(Default)]
struct Patient {
    entered: u32,
}

impl Patient {
    async fn hang(&mut self) -> Result<(), Error> {
        self.entered += 1;
        std::future::pending().await
    }
}

#[consumer(incoming = Ask, outgoing = Tell)]
impl Patient {
    #[on("brief", timeout = "500ms")]
    async fn brief(&mut self) -> Result<(), Error> {
        self.hang().await
    }

    #[on("long", timeout = "20s")]
    async fn long(&mut self) -> Result<(), Error> {
        self.hang().await
    }

    #[on("usual")]
    async fn usual(&mut self) -> Result<(), Error> {
        self.hang().await
    }

    #[on("count", timeout = "1ms")]
    fn count(&self) -> Tell {
        Tell::Counted(self.entered)
    }

    #[on_binary(timeout = "3s")]
    async fn binary(&mut self, _data: Bytes) -> Result<(), Error> {
        self.hang().await
    }
}

/// Takes every text frame.
#[derive(Default)]
struct Raw;

#[consumer]
impl Raw {
    #[on_text(timeout = "4s")]
    async fn text(&self, text: String) -> String {
        tokio::time::sleep(Duration::from_millis(text.parse().unwrap())).await;
        text
    }
}

async fn patient() -> channels::testing::Client {
    let config = Config::builder().handler_timeout(Duration::from_secs(10)).build().unwrap();
    testing::connect::<Patient>(&ChannelLayer::memory_with(config), ()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_handler_has_its_own_time_or_the_configured_one() {
    let mut ada = patient().await;
    for (name, millis) in [("brief", 500), ("usual", 10_000), ("brief", 500), ("long", 20_000)] {
        let began = Instant::now();
        ada.request(1, name, &()).await;
        let told = ada.next_message().await;
        assert_eq!((&told.data["error_code"], &told.re), (&json!("TIMEOUT_ERROR"), &Some(json!(1))), "{name}");
        assert_eq!(told.data["retryable"], true);
        assert_eq!(began.elapsed().as_millis() / 10, millis / 10, "{name}");
    }
    ada.request(2, "count", &()).await;
    assert_eq!(ada.recv::<u32>().await, 4, "the connection lives on, and its consumer is the same");
}

#[tokio::test(start_paused = true)]
async fn raw_frames_have_a_time_too() {
    let mut ada = patient().await;
    let began = Instant::now();
    ada.send_binary(Bytes::from_static(b"x")).await;
    assert_eq!(ada.next_message().await.data["error_code"], "TIMEOUT_ERROR");
    assert_eq!(began.elapsed().as_secs(), 3);

    let mut bob = testing::connect::<Raw>(&ChannelLayer::memory(), ()).await.unwrap();
    let began = Instant::now();
    bob.send_text("4001").await;
    assert_eq!(bob.next_message().await.data["error_code"], "TIMEOUT_ERROR");
    assert_eq!(began.elapsed().as_secs(), 4);
}
