//! The smallest consumer: `/ws` sends each frame back as it came.
//!
//! `HOST` = 127.0.0.1, `PORT` = 9001, and every variable of `channels::Config`; `WS_MAX_MESSAGE_SIZE` is 16 MiB unless it
//! says otherwise, which is the largest message of the usual conformance suite.

use std::env;
use std::error::Error;

use axum::Router;
use channels::prelude::*;

const MAX_MESSAGE_SIZE: usize = 16 << 20;

#[derive(Default)]
struct Echo;

#[consumer]
impl Echo {
    #[on_text]
    fn text(&self, text: ByteString) -> ByteString {
        text
    }

    #[on_binary]
    fn binary(&self, data: Bytes) -> Bytes {
        data
    }
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let layer = ChannelLayer::connect(Config::builder().max_message_size(MAX_MESSAGE_SIZE).env()?.build()?).await?;
    let app = Router::new().route("/ws", layer.serve::<Echo>().into_route());

    let host = env::var("HOST").unwrap_or_else(|_| "127.0.0.1".into());
    let port = env::var("PORT").unwrap_or_else(|_| "9001".into());
    let listener = tokio::net::TcpListener::bind(format!("{host}:{port}")).await?;
    let stop = channels::shutdown_signal();
    eprintln!("echo listens on ws://{}/ws", listener.local_addr()?);

    layer.run(axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(stop))).await?;
    Ok(())
}
