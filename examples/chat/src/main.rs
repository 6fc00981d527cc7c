//! `cargo run -p chat`: a chat on <http://127.0.0.1:8000>. See `examples/chat/README.md` for its variables.

use std::env;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use channels::Config;
use chat::{App, DEFAULT_DATABASE_URL, StartError};
use tracing_subscriber::EnvFilter;

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
    let config = chat::config()?;
    log_to_stderr(&config);
    let database_url = env::var("DATABASE_URL").unwrap_or_else(|_| DEFAULT_DATABASE_URL.to_owned());
    let app = App::start(config, &database_url).await?;
    // For code without a request at hand, such as the background job. The first layer of a process stays.
    app.layer().install().unwrap_or_else(|_| unreachable!("main installs the only layer"));
    let listener = chat::app::listen().await?;
    if let Ok(address) = listener.local_addr() {
        // Somebody may have closed the output; the chat runs all the same.
        let _ = writeln!(std::io::stdout(), "The chat is on http://{address}");
    }
    app.serve(listener, stop_signal()).await
}

/// `RUST_LOG` where it is set, otherwise `LOG_LEVEL`.
fn log_to_stderr(config: &Config) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(config.log_level().to_string()));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

/// Ctrl-C or, on Unix, SIGTERM.
async fn stop_signal() {
    let ctrl_c = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::error!(%error, "cannot listen for SIGTERM");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = terminate => {}
    }
}
