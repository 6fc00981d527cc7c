//! Codes, categories and severities, with what each means for the connection.

use serde::Serialize;

use crate::close::CloseCode;

/// What kind of failure it is; the `error_code` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The socket failed in a way that has no name of its own.
    WebsocketError,
    /// The connection cannot go on.
    ConnectionError,
    /// A limit of connections is reached.
    ConnectionLimitExceeded,
    /// A message that cannot be handled.
    MessageError,
    /// The backend cannot do it now.
    BackendError,
    /// Nobody knows who this is.
    AuthenticationFailed,
    /// It is known who this is, and they may not.
    AuthorizationFailed,
    /// A payload that does not parse or breaks a rule.
    ValidationFailed,
    /// No JSON.
    InvalidJson,
    /// JSON, but no envelope.
    InvalidMessageFormat,
    /// An envelope without a `type`.
    MissingMessageType,
    /// A `type` that is not known here, or a frame of a kind that is not taken.
    InvalidMessageParams,
    /// Too much in too short a time.
    RateLimitExceeded,
    /// A fault on the server.
    SystemError,
    /// The time is up.
    TimeoutError,
}

/// Which part of the system an error belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Category {
    /// Who is it?
    Authentication,
    /// May they?
    Authorization,
    /// Is the payload right?
    Validation,
    /// Is it too much?
    RateLimit,
    /// The socket.
    Connection,
    /// The backend.
    Backend,
    /// The envelope.
    Message,
    /// The server itself.
    System,
    /// None of these.
    Unknown,
}

impl Category {
    /// Every category, in the order of [`Category::index`].
    pub const ALL: [Self; 9] = [
        Self::Authentication,
        Self::Authorization,
        Self::Validation,
        Self::RateLimit,
        Self::Connection,
        Self::Backend,
        Self::Message,
        Self::System,
        Self::Unknown,
    ];

    /// Its place in [`Category::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Validation => "validation",
            Self::RateLimit => "rate_limit",
            Self::Connection => "connection",
            Self::Backend => "backend",
            Self::Message => "message",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }
}

/// How bad it is. [The guide](crate::docs::seeing) says how many lines of the log each level has in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The client's mistake; logged at debug level.
    Low,
    /// Worth a look; logged at info level.
    Medium,
    /// Something is broken; logged at error level.
    High,
    /// The connection cannot be trusted any more; logged at error level.
    Critical,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 15] = [
        Self::WebsocketError,
        Self::ConnectionError,
        Self::ConnectionLimitExceeded,
        Self::MessageError,
        Self::BackendError,
        Self::AuthenticationFailed,
        Self::AuthorizationFailed,
        Self::ValidationFailed,
        Self::InvalidJson,
        Self::InvalidMessageFormat,
        Self::MissingMessageType,
        Self::InvalidMessageParams,
        Self::RateLimitExceeded,
        Self::SystemError,
        Self::TimeoutError,
    ];

    /// Its place in [`ErrorCode::ALL`]; one that is not there is a compile error.
    pub(crate) const fn index(self) -> usize {
        const { assert!(Self::ALL.len() == Self::TimeoutError as usize + 1, "a code is missing in `ALL`") };
        self as usize
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebsocketError => "WEBSOCKET_ERROR",
            Self::ConnectionError => "CONNECTION_ERROR",
            Self::ConnectionLimitExceeded => "CONNECTION_LIMIT_EXCEEDED",
            Self::MessageError => "MESSAGE_ERROR",
            Self::BackendError => "BACKEND_ERROR",
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
            Self::AuthorizationFailed => "AUTHORIZATION_FAILED",
            Self::ValidationFailed => "VALIDATION_FAILED",
            Self::InvalidJson => "INVALID_JSON",
            Self::InvalidMessageFormat => "INVALID_MESSAGE_FORMAT",
            Self::MissingMessageType => "MISSING_MESSAGE_TYPE",
            Self::InvalidMessageParams => "INVALID_MESSAGE_PARAMS",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            Self::SystemError => "SYSTEM_ERROR",
            Self::TimeoutError => "TIMEOUT_ERROR",
        }
    }

    /// The category it belongs to.
    pub const fn category(self) -> Category {
        match self {
            Self::WebsocketError | Self::ConnectionError | Self::ConnectionLimitExceeded => Category::Connection,
            Self::MessageError
            | Self::InvalidJson
            | Self::InvalidMessageFormat
            | Self::MissingMessageType
            | Self::InvalidMessageParams => Category::Message,
            Self::BackendError => Category::Backend,
            Self::AuthenticationFailed => Category::Authentication,
            Self::AuthorizationFailed => Category::Authorization,
            Self::ValidationFailed => Category::Validation,
            Self::RateLimitExceeded => Category::RateLimit,
            Self::SystemError | Self::TimeoutError => Category::System,
        }
    }

    /// How bad it is unless the error says otherwise.
    pub const fn severity(self) -> Severity {
        match self {
            Self::MessageError
            | Self::ValidationFailed
            | Self::InvalidJson
            | Self::InvalidMessageFormat
            | Self::MissingMessageType
            | Self::InvalidMessageParams
            | Self::RateLimitExceeded => Severity::Low,
            Self::AuthenticationFailed
            | Self::AuthorizationFailed
            | Self::ConnectionLimitExceeded
            | Self::TimeoutError => Severity::Medium,
            Self::WebsocketError | Self::ConnectionError | Self::BackendError | Self::SystemError => Severity::High,
        }
    }

    /// The code a connection is closed with, where the error closes it. Where the same [may succeed
    /// later](ErrorCode::is_retryable), it asks to come back.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::WebsocketError | Self::ConnectionError | Self::BackendError => CloseCode::INTERNAL_ERROR,
            Self::SystemError | Self::TimeoutError => CloseCode::INTERNAL_ERROR,
            // The seed's 1006 must not go over the wire: "too many now, come back later" is what is meant.
            Self::ConnectionLimitExceeded | Self::RateLimitExceeded => CloseCode::TRY_AGAIN_LATER,
            Self::AuthenticationFailed | Self::AuthorizationFailed => CloseCode::POLICY_VIOLATION,
            Self::MessageError
            | Self::ValidationFailed
            | Self::InvalidJson
            | Self::InvalidMessageFormat
            | Self::MissingMessageType
            | Self::InvalidMessageParams => CloseCode::UNSUPPORTED_DATA,
        }
    }

    /// Whether the error ends the connection, given how bad it is.
    pub const fn closes(self, severity: Severity) -> bool {
        match self {
            Self::WebsocketError
            | Self::ConnectionError
            | Self::ConnectionLimitExceeded
            | Self::AuthenticationFailed => true,
            Self::SystemError => matches!(severity, Severity::Critical),
            _ => false,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimitExceeded | Self::TimeoutError | Self::BackendError | Self::ConnectionLimitExceeded
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_try_again_is_not_told_to_stay_away() {
        for code in ErrorCode::ALL {
            let asks = code.close_code().asks_to_reconnect();
            assert!(asks || !code.is_retryable(), "{} closes with {}", code.as_str(), code.close_code());
        }
    }
}
