//! How an error gets into the log: its words, its place, its causes, and how often.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::Instant;

use tracing::Level;

use crate::error::{Error, ErrorCode, Severity, Shown, shown};
use crate::id::UserId;
use crate::limits::Untold;
use crate::spans::failed;

/// How much of an error's causes goes into the log, and of its metadata, in bytes. Somebody else's error may repeat all that
/// a client sent.
const MAX_LOGGED_BYTES: usize = 1000;

/// How many faults of ours have a line above debug level, in a second.
const FAULTS_A_SECOND: u64 = 100;

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

/// Words that may repeat a client's, and stand without a name where the fields of a line follow: what would break the line,
/// turn it around or look like a field is written in quotes, as the other fields are.
fn printable(words: &str) -> Cow<'_, str> {
    if words.contains(is_misleading) { Cow::Owned(format!("{words:?}")) } else { Cow::Borrowed(words) }
}

fn is_misleading(char: char) -> bool {
    let turns_around = matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    char.is_control() || turns_around || matches!(char, '=' | '\u{2028}' | '\u{2029}')
}

const REST: &str = "more errors of this code were told at debug level";

/// What is told of errors above debug level, where a client may cause one after the other: a line a second of each code and
/// level, and of faults of ours, of which each has words of its own, [`FAULTS_A_SECOND`].
#[derive(Debug, Default)]
pub(crate) struct Log {
    medium: [Untold; ErrorCode::ALL.len()],
    high: [Untold; ErrorCode::ALL.len()],
    faults: Untold<FAULTS_A_SECOND>,
}

impl Log {
    /// Writes an error down, `now` nanoseconds after a beginning of the caller's. Above debug level the line says how many
    /// there were since the last, where there were more.
    pub(crate) fn error(&self, error: &Error, now: u64) {
        let of_its_code = error.code().index();
        let (level, since) = match (error.severity(), error.code()) {
            (Severity::Low, _) => (Level::DEBUG, None),
            (Severity::Medium, _) => (Level::INFO, self.medium[of_its_code].add(now)),
            (_, ErrorCode::SystemError) => (Level::ERROR, self.faults.add(now)),
            (Severity::High | Severity::Critical, _) => (Level::ERROR, self.high[of_its_code].add(now)),
        };
        let level = if since.is_some() { level } else { Level::DEBUG };
        write(level, error, since.filter(|since| *since > 1));
    }

    /// Writes how many there were after the last lines, which would be told by none.
    pub(crate) fn tell_rest(&self, now: u64) {
        for code in ErrorCode::ALL {
            let (error_code, at) = (code.as_str(), code.index());
            let is_fault = code == ErrorCode::SystemError;
            if let Some(since) = self.medium[at].rest(now) {
                tracing::info!(error_code, since_the_last_line = since, "{REST}");
            }
            if let Some(since) = if is_fault { self.faults.rest(now) } else { self.high[at].rest(now) } {
                tracing::error!(error_code, since_the_last_line = since, "{REST}");
            }
        }
    }
}

/// Errors that were answered by a response, of which no layer knows.
struct Responses {
    log: Log,
    since: Instant,
}

/// Not by the clock of the runtime, which a test may set forward, as others share this.
static RESPONSES: LazyLock<Responses> = LazyLock::new(|| Responses { log: Log::default(), since: Instant::now() });

impl Responses {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// An error becomes a response, of which nobody else tells.
pub(crate) fn response(error: &Error) {
    RESPONSES.log.error(error, RESPONSES.now());
}

pub(super) fn tell_rest_of_responses() {
    RESPONSES.log.tell_rest(RESPONSES.now());
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
                // As a string it stands in quotes: a client may have chosen it.
                user = context.user_id.as_ref().map(UserId::as_str),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_break_a_line_turn_it_around_or_look_like_a_field_are_quoted() {
        for words in ["You are not a member of “rust”.", "Zo\u{eb} \u{1f980} \"x\"", ""] {
            assert_eq!(printable(words), words);
        }
        for (words, written) in [
            ("no “x severity=Critical”", "\"no “x severity=Critical”\""),
            ("a\nb", r#""a\nb""#),
            ("a\u{2028}b\u{2029}", r#""a\u{2028}b\u{2029}""#),
            ("\u{202e}a\u{2066}\u{200f}\u{61c}", r#""\u{202e}a\u{2066}\u{200f}\u{61c}""#),
            ("x=\"\u{1b}[31m", r#""x=\"\u{1b}[31m""#),
        ] {
            assert_eq!(printable(words), written);
        }
    }
}
