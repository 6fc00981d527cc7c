//! What belongs to a process: its log.

use std::io::IsTerminal as _;

use channels::Config;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What lines of the chat and of the library come from.
const OWN_TARGETS: [&str; 2] = ["chat", "channels"];

/// Logs to standard error, from the level that `RUST_LOG` names where it is set, otherwise `LOG_LEVEL`. Of a `RUST_LOG` that
/// cannot be read, or names no level, standard error is told as well: it would else be silent without a word.
pub fn log_to_stderr(config: &Config) {
    let wanted = std::env::var_os("RUST_LOG").unwrap_or_default();
    let (filter, complaint) = filter(&wanted.to_string_lossy(), &config.log_level().to_string());
    if let Some(complaint) = complaint {
        eprintln!("{complaint}");
    }
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

/// The filter, and what is to be said of what it was made from.
fn filter(wanted: &str, level: &str) -> (EnvFilter, Option<String>) {
    if wanted.trim().is_empty() {
        return (EnvFilter::new(level), None);
    }
    match EnvFilter::try_new(wanted) {
        Ok(filter) if names_a_level(wanted) => (filter, None),
        Ok(filter) => {
            let complaint = format!(
                "RUST_LOG={wanted} names no level (off, error, warn, info, debug, trace): only what comes from a crate of \
                 that name is logged."
            );
            (filter, Some(complaint))
        }
        Err(error) => {
            let complaint = format!("RUST_LOG={wanted} is no filter: {error}. LOG_LEVEL={level} counts.");
            (EnvFilter::new(level), Some(complaint))
        }
    }
}

/// Whether it says more than names that are nobody's here: `inof` is a filter, too.
fn names_a_level(wanted: &str) -> bool {
    wanted.split(',').map(str::trim).any(|directive| {
        let is_own = OWN_TARGETS.contains(&directive.split("::").next().unwrap_or_default());
        is_own || directive.contains(['=', '[']) || directive.parse::<LevelFilter>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_silences_everything_by_mistake_is_told_of() {
        for (wanted, complains, is) in [
            ("", false, "warn"),
            (" ", false, "warn"),
            ("info", false, "info"),
            ("DEBUG", false, "debug"),
            ("error,channels=off", false, "channels=off,error"),
            ("channels::layer", false, "channels::layer=trace"),
            ("inof", true, "inof=trace"),
            ("inof,hyper", true, "hyper=trace,inof=trace"),
            ("nonsense level", true, "nonsense level=trace"),
            ("chat=loud", true, "warn"),
        ] {
            let (filter, complaint) = filter(wanted, "warn");
            let said = complaint.as_deref().is_some_and(|words| words.starts_with(&format!("RUST_LOG={wanted} ")));
            assert_eq!((filter.to_string().as_str(), said), (is, complains), "{wanted:?}: {complaint:?}");
        }
    }
}
