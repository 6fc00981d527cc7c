//! A server under test: the public API, and nothing else.
//!
//! `PORT`, and every variable of `channels::Config`. It prints its address, and ends with SIGTERM.

mod consumer;
mod http;

use std::error::Error;
use std::io::Write as _;
use std::net::Ipv4Addr;

use axum::Router;
use axum::routing::get;
use channels::{ChannelLayer, Config};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::consumer::Member;
use self::http::App;

/// What stands before the address on standard output.
pub(crate) const LISTENS: &str = "listens on ";

/// What stands before what its drain came to: connections that it closed, those that it dropped, messages not sent.
pub(crate) const DRAINED: &str = "drained ";

/// Runs until SIGTERM.
///
/// # Errors
///
/// What keeps it from starting.
pub async fn serve() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let layer = ChannelLayer::connect(Config::from_env()?).await?;
    let app = App::new(layer.clone());
    let router = Router::new()
        .route("/ws/{user}", layer.serve::<Member>().into_route())
        .route("/readyz", get(http::ready))
        .route("/status", get(http::status))
        .route("/groups/{group}", get(http::group))
        .route("/users/{user}", get(http::user))
        .route("/interruptions", get(http::interruptions))
        .with_state(app);
    let port = std::env::var("PORT").unwrap_or_default().parse().unwrap_or(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    writeln!(std::io::stdout(), "{LISTENS}{}", listener.local_addr()?)?;
    let stop = layer.shutdown_on(async move {
        terminate.recv().await;
    });
    let drained = layer.run(axum::serve(listener, router).with_graceful_shutdown(stop)).await?;
    writeln!(std::io::stdout(), "{DRAINED}{} {} {}", drained.closed, drained.dropped, drained.unsent)?;
    Ok(())
}
