//! How an error gets into the log: its words, its place, its causes.

use std::borrow::Cow;
use std::fmt;

use crate::error::{Error, Severity, shown};

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
    std::error::Error::source(error).map(|_| shown(&Causes(error), MAX_LOGGED_BYTES))
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
    let context = error.context();
    // The span of its message or connection bears the same id. A span of somebody else's has no such field.
    tracing::Span::current().record("error_id", tracing::field::display(context.error_id));
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
                cause = causes(error),
                "{}",
                printable(error.message())
            )
        };
    }
    match error.severity() {
        Severity::Low => event!(tracing::Level::DEBUG),
        Severity::Medium => event!(tracing::Level::INFO),
        Severity::High | Severity::Critical => event!(tracing::Level::ERROR),
    }
}
