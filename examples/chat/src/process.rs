//! What belongs to a process: its log.

use std::io::IsTerminal as _;

use channels::Config;
use tracing_subscriber::EnvFilter;

/// Logs to standard error, from the level that `RUST_LOG` names where it is set, otherwise `LOG_LEVEL`.
pub fn log_to_stderr(config: &Config) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(config.log_level().to_string()));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
