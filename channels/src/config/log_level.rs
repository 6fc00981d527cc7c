//! How much an application should log.

use std::fmt;
use std::str::FromStr;

use super::ConfigError;

/// A level of severity; the values of `LOG_LEVEL`.
///
/// `Display` writes a directive of `tracing`, which knows nothing above `error`.
///
/// ```
/// use channels::LogLevel;
///
/// assert_eq!("warning".parse::<LogLevel>()?, LogLevel::Warn);
/// assert_eq!(LogLevel::Info.to_string(), "info");
/// assert_eq!(LogLevel::Critical.to_string(), "error");
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a mistake.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What may become a problem. `WARN` and `WARNING` both mean it.
    Warn,
    /// What went wrong.
    Error,
    /// What can't go on. `tracing` shows it as an error.
    Critical,
}

impl LogLevel {
    pub(super) const ALLOWED: &str = "TRACE, DEBUG, INFO, WARN, ERROR or CRITICAL";
    const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];

    /// The name as `LOG_LEVEL` has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("WARNING") {
            return Some(Self::Warn);
        }
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error | Self::Critical => "error",
        })
    }
}

impl FromStr for LogLevel {
    type Err = ConfigError;

    /// Takes the names, and `WARNING`, in any case.
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::find(name).ok_or_else(|| ConfigError::text(name, Self::ALLOWED))
    }
}
