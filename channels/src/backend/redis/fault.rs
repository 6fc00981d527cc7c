//! Why a command has no answer of use, and what that means for whoever asked.

use std::sync::Arc;

use crate::error::{Delivery, Error};

/// How much of a server's words is kept. The name of a host, where something has moved to, fits.
const MAX_REPLY_CHARS: usize = 300;

/// What became of a command that was not answered with a value.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It never left.
    #[error("not sent: {0}")]
    NotSent(Arc<str>),
    /// It left, and the connection ended before the answer: it may have been carried out.
    #[error("unknown: {0}")]
    Unknown(Arc<str>),
    /// The server said no.
    #[error("refused: {0}")]
    Refused(ErrorReply),
}

/// What a server said no with, as it may be logged and told.
///
/// A command that it does not know is answered with its first arguments, a password among them; those are cut off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {details}")]
pub(super) struct ErrorReply {
    pub(super) code: String,
    pub(super) details: String,
}

impl ErrorReply {
    /// Whether it is about where to ask, not about what: the slots of a Cluster change.
    pub(super) fn is_about_slots(&self) -> bool {
        matches!(self.code.as_str(), "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN")
    }

    /// The slot that another server has now.
    pub(super) fn moved_slot(&self) -> Option<u16> {
        let (slot, _server) = self.details.split_once(' ').filter(|_| self.code == "MOVED")?;
        slot.parse().ok()
    }
}

impl From<&redis::ServerError> for ErrorReply {
    fn from(error: &redis::ServerError) -> Self {
        let details = error.details().unwrap_or_default();
        let (details, _arguments) = details.split_once(", with args").unwrap_or((details, ""));
        Self { code: bounded(error.code()), details: bounded(details) }
    }
}

/// The first line, and not without end.
fn bounded(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MAX_REPLY_CHARS).collect()
}

impl Fault {
    pub(super) fn not_sent(reason: impl AsRef<str>) -> Self {
        Self::NotSent(Arc::from(reason.as_ref()))
    }

    /// The code of a refusal.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused(error) => &error.code,
            _ => "",
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let (message, delivery) = match &fault {
            Fault::NotSent(_) => ("The backend is not reachable now; nothing was sent.", Delivery::NotSent),
            Fault::Unknown(_) => ("The backend did not answer; whether it was sent is not known.", Delivery::Unknown),
            Fault::Refused(_) => ("The backend refused it; nothing was sent.", Delivery::NotSent),
        };
        Self::backend(message).with_delivery(delivery).with_component("redis").with_source(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let value = redis::parse_redis_value(line.as_bytes()).unwrap();
        let redis::Value::ServerError(error) = value else { panic!("no error: {value:?}") };
        let fault = Fault::Refused(ErrorReply::from(&error));
        assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
        fault.to_string()
    }

    #[test]
    fn the_arguments_that_a_server_repeats_are_not_told() {
        for said in [
            "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'ada' 's3cret' \r\n",
            "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `ada`, `s3cret`, \r\n",
        ] {
            let told = told(said);
            assert!(told.starts_with("refused: ERR unknown command") && told.contains("HELLO"), "{told}");
            assert!(!told.contains("s3cret") && !told.contains("ada"), "{told}");
        }
    }

    #[test]
    fn what_a_server_says_has_an_end() {
        assert_eq!(told("-MOVED 3999 10.0.0.1:6381\r\n"), "refused: MOVED 3999 10.0.0.1:6381");
        assert_eq!(told("!9\r\nERR a\r\nbc\r\n"), "refused: ERR a");
        let endless = told(&format!("-ERR {}\r\n", "a".repeat(10_000)));
        assert_eq!(endless.len(), "refused: ERR ".len() + MAX_REPLY_CHARS);
    }
}
