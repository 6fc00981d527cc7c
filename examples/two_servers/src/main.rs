//! `cargo run -p two-servers`: two chats on two ports that share one Redis. See `examples/two_servers/README.md`.

mod redis;

use std::env;
use std::io::Write as _;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;

use channels::BackendType;
use chat::{App, Secret};
use tokio::net::TcpListener;
use tokio::sync::watch;

use redis::Redis;

/// The first one's, unless `PORT` names another; the second has the next.
const PORT: u16 = 8000;

/// What went wrong, in words for the person at the keyboard.
type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    // Before there is a Redis: from here on Ctrl-C leaves none behind.
    let mut signal = pin!(channels::shutdown_signal());
    let folder = tempfile::tempdir()?;
    let redis = Redis::find_or_start(folder.path())?;
    let started = tokio::select! {
        started = servers(&redis, folder.path()) => Some(started?),
        () = &mut signal => None,
    };
    let Some([one, other]) = started else {
        redis.end().await;
        return Ok(());
    };
    let mut output = std::io::stdout();
    for (_, listener) in [&one, &other] {
        // Somebody may have closed the output; the chats run all the same.
        let _ = writeln!(output, "A chat is on http://{}", listener.local_addr()?);
    }
    let _ = writeln!(output, "Both use {}. Ctrl-C ends them.", redis.told());
    let (stop, _) = watch::channel(false);
    let serve = |(app, listener): (App, TcpListener)| {
        let mut stopped = stop.subscribe();
        app.serve(listener, async move { drop(stopped.wait_for(|stopped| *stopped).await) })
    };
    let (one, other) = (serve(one), serve(other));
    let signal = async {
        signal.await;
        stop.send_replace(true);
        Ok(())
    };
    // The chats end before their Redis does.
    tokio::try_join!(one, other, signal)?;
    redis.end().await;
    Ok(())
}

/// Both, one after the other, so that a wrong Redis is told once.
async fn servers(redis: &Redis, folder: &Path) -> Result<[(App, TcpListener); 2], Failure> {
    let database = format!("sqlite://{}?mode=rwc", folder.join("chat.db").display());
    let port = env::var("PORT").map_or(Ok(PORT), |port| port.parse().map_err(|_| format!("PORT={port} is no port")))?;
    // 0 is any free one.
    let next = if port == 0 { 0 } else { port.saturating_add(1) };
    Ok([server(redis, &database, port).await?, server(redis, &database, next).await?])
}

/// A chat as any other: what makes it one of several is its backend.
async fn server(redis: &Redis, database: &str, port: u16) -> Result<(App, TcpListener), Failure> {
    let config = chat::builder().env()?.backend_type(BackendType::Redis).redis_url(redis.url()).build()?;
    let app = App::start(config, database).await?.signed_by(Secret::from_env()?);
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| format!("cannot listen on port {port}: {error}. Set PORT to another."))?;
    Ok((app, listener))
}
