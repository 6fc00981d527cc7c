//! `cargo run -p chat`: a chat on <http://127.0.0.1:8000>. See `examples/chat/README.md` for its variables.

use std::io::Write as _;
use std::process::ExitCode;

use channels::Config;
use chat::{App, DEFAULT_DATABASE_URL, Secret, StartError, process};
use tokio::net::TcpListener;

/// The exit code of a chat that does not start, or failed.
const FAILURE: i32 = 1;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            // The runtime would wait for the look-up of a name that nobody answers.
            std::process::exit(FAILURE);
        }
    }
}

async fn run() -> Result<(), StartError> {
    // First: from here on a signal ends it in good order.
    let mut stop = Box::pin(channels::shutdown_signal());
    let (app, listener) = tokio::select! {
        started = start() => started?,
        // As above; there is nobody to say goodbye to.
        () = &mut stop => std::process::exit(0),
    };
    if let Ok(address) = listener.local_addr() {
        // Somebody may have closed the output; the chat runs all the same.
        let _ = writeln!(std::io::stdout(), "The chat is on http://{address}");
    }
    app.serve(listener, stop).await
}

async fn start() -> Result<(App, TcpListener), StartError> {
    let config = chat::config()?;
    process::log_to_stderr(&config);
    let database_url = Config::variable("DATABASE_URL")?.unwrap_or_else(|| DEFAULT_DATABASE_URL.to_owned());
    let secret = Secret::from_env()?;
    let app = App::start(config, &database_url).await?.signed_by(secret);
    let app = app.inspected_with(&Config::variable("CHAT_INSPECTOR_TOKEN")?.unwrap_or_default())?;
    // For code without a request at hand, such as the background job. The first layer of a process stays.
    app.layer().install().unwrap_or_else(|_| unreachable!("main installs the only layer"));
    Ok((app, chat::app::listen().await?))
}
