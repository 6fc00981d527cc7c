//! The quick start of the README, as it stands there.

use axum::Router;
use channels::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    text: String,
}

/// What clients may send: `{"type": "say", "data": {"text": "hi"}}`.
#[derive(Debug, Incoming)]
enum ClientMessage {
    Say(Line),
}

/// What the server sends: `{"type": "said", "data": {"text": "hi"}}`.
#[derive(Debug, Outgoing)]
enum ServerMessage {
    Said(Line),
}

/// One value lives as long as one connection.
#[derive(Default)]
struct Lobby;

#[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
impl Lobby {
    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), channels::Error> {
        conn.join("lobby").await?;
        Ok(())
    }

    #[on("say")]
    #[rate_limit(10, per = "1s")]
    async fn say(&self, line: Line, layer: ChannelLayer) -> Result<(), channels::Error> {
        layer.send_to_group("lobby", ServerMessage::from(line)).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    tracing_subscriber::fmt().with_env_filter(config.log_level().to_string()).init();
    let layer = ChannelLayer::connect(config).await?;
    let app = Router::new().route("/ws", layer.serve::<Lobby>().into_route());
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let stop = channels::shutdown_signal();
    eprintln!("ws://{}/ws", listener.local_addr()?);
    layer.run(axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(stop))).await?;
    Ok(())
}
