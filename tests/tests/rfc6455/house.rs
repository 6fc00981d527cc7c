//! A server of its own for each test: it sends each message back as it came.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use channels::prelude::*;
use channels::{ConfigBuilder, Stats};
use channels_tests::echo::Echo;
use tokio::net::TcpListener;

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    layer: ChannelLayer,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(Config::builder()).await
    }

    pub(crate) async fn with(config: ConfigBuilder) -> Self {
        // A ping that nobody asked for would stand between the answers.
        let layer = ChannelLayer::memory_with(config.enable_heartbeat(false).build().unwrap());
        let app = Router::new().route("/ws", layer.serve::<Echo>().into_route());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // It ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, layer }
    }

    /// How many connections have been accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.layer.stats().connections_total
    }

    /// What has been counted so far.
    pub(crate) fn stats(&self) -> Stats {
        self.layer.stats()
    }

    /// Waits until every connection has been given back, also those whose upgrade is not done yet.
    pub(crate) async fn empty(&self) {
        let empty = async {
            while self.layer.counts().await.unwrap().connections != 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(30), empty).await.is_err() {
            panic!("{} connections are left", self.layer.registry().connection_count());
        }
    }
}
