//! Why a command has no answer of use, and what that means for whoever asked.

use std::sync::Arc;

use crate::error::{Delivery, Error};

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
    #[error("refused: {} {}", .0.code(), .0.details().unwrap_or_default())]
    Refused(redis::ServerError),
}

impl Fault {
    pub(super) fn not_sent(reason: impl AsRef<str>) -> Self {
        Self::NotSent(Arc::from(reason.as_ref()))
    }

    /// The code of a refusal.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused(error) => error.code(),
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
