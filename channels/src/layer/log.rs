//! How an error gets into the log: its words, its place, its causes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Severity};

/// Every cause of an error in one line, where there is one.
fn causes(error: &Error) -> Option<String> {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    // The words of somebody else's errors are their code. What it panics over must not cost the connection whose error it is.
    let told = catch_unwind(AssertUnwindSafe(|| {
        while let Some(cause) = next {
            let separator = if text.is_empty() { "" } else { ": " };
            // Writing to a string does not fail.
            let _ = write!(text, "{separator}{cause}");
            next = cause.source();
        }
    }));
    if told.is_err() {
        text.push_str("(to tell it panicked)");
    }
    (!text.is_empty()).then_some(text)
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
                metadata = (!context.metadata.is_empty()).then(|| tracing::field::debug(&context.metadata)),
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
