//! How an error gets into the log: its words, its place, its causes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Level;

use crate::error::{Error, Severity, Shown, shown};
use crate::spans::failed;

/// How much of an error's causes goes into the log, and of its metadata, in bytes. Somebody else's error may repeat all that
/// a client sent.
const MAX_LOGGED_BYTES: usize = 1000;

/// Every cause of an error in one line.
struct Causes<'a>(&'a Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut next = std::error::Error::source(self.0);
        while let Some(cause) = next {
            write!(f, "{separator}{cause}")?;
            separator = ": ";
            next = cause.source();
        }
        Ok(())
    }
}

fn causes(error: &Error) -> Option<String> {
    std::error::Error::source(error)?;
    let mut words = Shown::new(MAX_LOGGED_BYTES);
    // The words of somebody else's errors are their code. What it panics over must not cost the connection whose error it is.
    let told = catch_unwind(AssertUnwindSafe(|| {
        // Fails where it was cut.
        let _ = write!(words, "{}", Causes(error));
    }));
    let mut words = words.finish();
    if told.is_err() {
        words.push_str("(to tell it panicked)");
    }
    Some(words)
}

fn metadata(error: &Error) -> Option<String> {
    let metadata = &error.context().metadata;
    (!metadata.is_empty()).then(|| shown(&format_args!("{metadata:?}"), MAX_LOGGED_BYTES))
}

/// Words that may repeat a client's: a line break in them would forge a line of the log.
fn printable(words: &str) -> Cow<'_, str> {
    if words.contains(char::is_control) { Cow::Owned(words.escape_debug().to_string()) } else { Cow::Borrowed(words) }
}

pub(super) fn error(error: &Error) {
    let level = match error.severity() {
        Severity::Low => Level::DEBUG,
        Severity::Medium => Level::INFO,
        Severity::High | Severity::Critical => Level::ERROR,
    };
    write(level, error, None);
}

/// Of a request for a connection that is refused: at debug level, as whoever is not let in may ask without end. What is
/// broken here is an error, with the number of them since the last line at that level.
pub(super) fn refusal(error: &Error, broken: Option<u64>) {
    write(if broken.is_some() { Level::ERROR } else { Level::DEBUG }, error, broken);
}

fn write(level: Level, error: &Error, since_the_last_line: Option<u64>) {
    let context = error.context();
    // The span of its message or connection bears the same id. A span of somebody else's has no such field.
    failed(&tracing::Span::current(), error);
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(
                $level,
                error_id = %context.error_id,
                error_code = error.name(),
                severity = ?error.severity(),
                connection = context.connection_id.map(tracing::field::display),
                user = context.user_id.as_ref().map(tracing::field::display),
                message_type = context.message_type.as_deref(),
                component = context.component.as_deref(),
                metadata = metadata(error).map(tracing::field::display),
                since_the_last_line,
                cause = causes(error),
                "{}",
                printable(error.message())
            )
        };
    }
    match level {
        Level::ERROR => event!(Level::ERROR),
        Level::INFO => event!(Level::INFO),
        _ => event!(Level::DEBUG),
    }
}
