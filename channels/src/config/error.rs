//! What is wrong with a configuration, all of it at once.

use std::fmt;
use std::path::{Path, PathBuf};

/// How many characters of a wrong value are shown: enough to find it, not enough to flood a log.
const MAX_SHOWN_CHARS: usize = 120;

/// Everything that is wrong with a configuration: one line each.
///
/// A line names the variable, its value and what is allowed. The password of a Redis URL is never
/// part of it, nor is a line of a `.env` file. `Debug` writes the same as `Display`, so that a
/// `main` that returns this error shows readable lines.
///
/// ```
/// use channels::Config;
///
/// let error = Config::builder()
///     .vars([("WS_HEARTBEAT_INTERVAL", "soon"), ("LOG_LEVEL", "loud")])
///     .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "WS_HEARTBEAT_INTERVAL=\"soon\" is not valid: expected seconds (30, 0.5) or a duration \
///      with unit (500ms, 30s, 5m), from 1ms to 8760h\n\
///      LOG_LEVEL=\"loud\" is not valid: expected TRACE, DEBUG, INFO, WARN, ERROR or CRITICAL",
/// );
/// ```
#[derive(thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigError {
    /// Never empty.
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The names of the variables that are wrong, in the order of the lines.
    ///
    /// Lines about the `.env` file or about a text that belongs to no variable have none.
    ///
    /// ```
    /// let error = channels::Config::builder().vars([("LOG_STATS", "perhaps")]).unwrap_err();
    /// assert!(error.variables().eq(["LOG_STATS"]));
    /// ```
    pub fn variables(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.problems.iter().filter_map(Problem::variable)
    }

    pub(super) fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    /// A text that is no value of its type.
    pub(super) fn text(text: &str, expected: &str) -> Self {
        let problem = Problem::Text { text: shortened(text), expected: expected.to_owned() };
        Self { problems: vec![problem] }
    }

    fn lines(&self) -> String {
        let lines: Vec<_> = self.problems.iter().map(Problem::to_string).collect();
        lines.join("\n")
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One line of a [`ConfigError`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{variable}={value:?} is not valid: expected {expected}")]
    Value { variable: &'static str, value: String, expected: String },

    #[error("{variable} is not valid UTF-8: expected {expected}")]
    NotUnicode { variable: &'static str, expected: String },

    #[error("{text:?} is not valid: expected {expected}")]
    Text { text: String, expected: String },

    #[error("{}:{line} is not valid: expected {expected}", path.display())]
    DotenvLine { path: PathBuf, line: usize, expected: &'static str },

    #[error("{} could not be read: {reason}", path.display())]
    DotenvFile { path: PathBuf, reason: String },
}

impl Problem {
    /// A wrong value; it comes without its secrets.
    pub(super) fn value(variable: &'static str, value: &str, expected: String) -> Self {
        Self::Value { variable, value: shortened(value), expected }
    }

    pub(super) fn dotenv_line(path: &Path, line: usize, expected: &'static str) -> Self {
        Self::DotenvLine { path: path.to_owned(), line, expected }
    }

    pub(super) fn variable(&self) -> Option<&'static str> {
        match self {
            Self::Value { variable, .. } | Self::NotUnicode { variable, .. } => Some(variable),
            Self::Text { .. } | Self::DotenvLine { .. } | Self::DotenvFile { .. } => None,
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
