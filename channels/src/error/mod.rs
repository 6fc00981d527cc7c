//! One opaque error with everything a client, a log and a retry need to know.
//!
//! What a client gets is the public message and the fields of [`ErrorResponse`]; a
//! [source](Error::with_source) is logged beside the same `error_id` and never sent.

mod code;
mod delivery;
mod details;
mod http;
mod internal;
mod panicked;
mod response;
mod shown;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use code::{Category, ErrorCode, Severity};
pub use delivery::Delivery;
use details::Details;
pub use details::MAX_ERROR_DETAILS_BYTES;
pub use internal::OrInternal;
pub(crate) use panicked::{caught, caught_now, panicked};
pub use response::ErrorResponse;
pub(crate) use shown::{Shown, shown};
use uuid::Uuid;

use crate::close::CloseCode;
use crate::id::{ConnectionId, UserId};

/// How much of an error's words its client gets, in bytes of JSON; more is cut, with an ellipsis.
pub const MAX_ERROR_MESSAGE_BYTES: usize = 768;
/// How much of a code of one's own, in bytes of JSON.
const MAX_NAME_BYTES: usize = 64;
/// How much of a message's name an error repeats.
pub(crate) const MAX_SHOWN_TYPE_CHARS: usize = 64;

/// The source of an error, kept for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, said once for the client, the log and the caller.
///
/// ```
/// use channels::{Error, ErrorCode};
///
/// let error = Error::authorization("You are not a member of `rust`.");
/// assert_eq!(error.code(), ErrorCode::AuthorizationFailed);
/// assert!(!error.should_disconnect());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    code: ErrorCode,
    name: Option<Cow<'static, str>>,
    severity: Severity,
    message: Cow<'static, str>,
    close: Option<Option<CloseCode>>,
    retryable: bool,
    retry_after: Option<Duration>,
    /// Only a request, which bears an `id`, is answered; anything else is dropped and counted.
    only_for_requests: bool,
    delivery: Option<Delivery>,
    details: Details,
    context: ErrorContext,
    source: Option<BoxError>,
}

/// Where and when an error happened; goes to the log whole, to the client only as id and time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorContext {
    /// Names this one failure in the log and at the client.
    pub error_id: Uuid,
    /// When it happened.
    pub timestamp: SystemTime,
    /// Whose connection it was.
    pub user_id: Option<UserId>,
    /// Which connection it was.
    pub connection_id: Option<ConnectionId>,
    /// The message that was handled.
    pub message_type: Option<String>,
    /// The part of the system that failed.
    pub component: Option<Cow<'static, str>>,
    /// More for the log, never for the client.
    pub metadata: BTreeMap<String, String>,
}

impl Error {
    /// An error of this code, with the words that the client gets: [`MAX_ERROR_MESSAGE_BYTES`] of them, so that an error that
    /// repeats what a client sent is never as large as that.
    ///
    /// ```
    /// # use channels::*;
    /// # fn example() -> Result<(), channels::Error> {
    /// let error = Error::new(ErrorCode::MessageError, "This room is read-only.");
    /// assert_eq!(error.severity(), Severity::Low);
    /// # Ok(()) }
    /// ```
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            name: None,
            severity: code.severity(),
            message: shown::cut(message.into(), MAX_ERROR_MESSAGE_BYTES),
            close: None,
            retryable: code.is_retryable(),
            retry_after: None,
            only_for_requests: false,
            delivery: None,
            details: Details::default(),
            context: ErrorContext {
                error_id: Uuid::now_v7(),
                timestamp: SystemTime::now(),
                user_id: None,
                connection_id: None,
                message_type: None,
                component: None,
                metadata: BTreeMap::new(),
            },
            source: None,
        }))
    }

    /// Nobody knows who this is; closes the connection.
    pub fn authentication(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::AuthenticationFailed, message)
    }

    /// They may not.
    pub fn authorization(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::AuthorizationFailed, message)
    }

    /// One field breaks a rule. More fields: [`Error::with_detail`].
    ///
    /// ```
    /// # use channels::Error;
    /// let error = Error::validation("text", "must not be empty");
    /// assert_eq!(error.message(), "text: must not be empty");
    /// assert_eq!(error.details()["text"], ["must not be empty"]);
    /// ```
    pub fn validation(field: &str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        let words = shown(&format_args!("{field}: {problem}"), MAX_ERROR_MESSAGE_BYTES);
        Self::new(ErrorCode::ValidationFailed, words).with_detail(field, problem)
    }

    /// Too much; `retry_after` says when there is room again.
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::new(ErrorCode::RateLimitExceeded, "Too many messages. Please wait a moment.")
            .with_retry_after(retry_after)
    }

    /// The backend cannot do it now.
    pub fn backend(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BackendError, message)
    }

    /// A fault here; the source goes to the log, the client learns only that there was one.
    ///
    /// ```
    /// # use channels::*;
    /// # fn example() -> Result<(), channels::Error> {
    /// let error = Error::internal("the disk is full");
    /// assert_eq!(error.message(), "Something went wrong on the server.");
    /// # Ok(()) }
    /// ```
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::new(ErrorCode::SystemError, "Something went wrong on the server.").with_source(source)
    }

    /// The time is up.
    pub fn timeout(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::TimeoutError, message)
    }

    /// Sends this `error_code` to the client instead of the code's own name.
    #[must_use]
    ///
    /// ```
    /// # use channels::*;
    /// # fn example() -> Result<(), channels::Error> {
    /// let error = Error::authorization("The room is full.").with_name("ROOM_FULL");
    /// assert_eq!(error.name(), "ROOM_FULL");
    /// # Ok(()) }
    /// ```
    pub fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.0.name = Some(shown::cut(name.into(), MAX_NAME_BYTES));
        self
    }

    /// Changes how bad it is. A critical `SYSTEM_ERROR` closes the connection.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// Adds a problem of one field; goes to the client. All of them have [`MAX_ERROR_DETAILS_BYTES`]; beyond that it is only told,
    /// under the field `…`, how many more there are.
    #[must_use]
    pub fn with_detail(mut self, field: impl Into<String>, problem: impl Into<String>) -> Self {
        self.0.details.add(&field.into(), &problem.into());
        self
    }

    /// The same, of words that may be a client's: no more of them is written than is shown.
    #[cfg(feature = "validation")]
    pub(crate) fn with_detail_of(mut self, field: &dyn fmt::Display, problem: &dyn fmt::Display) -> Self {
        self.0.details.add(field, problem);
        self
    }

    /// The cause, for the log only.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// It may succeed later, at the earliest after this time.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retryable = true;
        self.0.retry_after = Some(after);
        self
    }

    /// The same for what nobody knows the time of, and what many are refused for at one moment: after once to twice this time, by
    /// what is random in the error's id, so that they do not come back at one.
    pub(crate) fn with_retry_after_spread(self, after: Duration) -> Self {
        let last = self.0.context.error_id.as_u128() & u128::from(u32::MAX);
        let spread = after.mul_f64(last as f64 / f64::from(u32::MAX));
        self.with_retry_after(after.saturating_add(spread))
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// The connection is closed with this code after the client was told.
    #[must_use]
    ///
    /// ```
    /// # use channels::*;
    /// # fn example() -> Result<(), channels::Error> {
    /// let error = Error::authorization("You are banned.").closing(CloseCode::POLICY_VIOLATION);
    /// assert!(error.should_disconnect());
    /// # Ok(()) }
    /// ```
    pub fn closing(mut self, code: CloseCode) -> Self {
        self.0.close = Some(Some(code));
        self
    }

    /// The connection lives on, whatever the code says.
    #[must_use]
    pub fn not_closing(mut self) -> Self {
        self.0.close = Some(None);
        self
    }

    /// Closes the connection with the code's own close code, unless something else was said.
    pub(crate) fn closing_unless_told(mut self) -> Self {
        self.0.close.get_or_insert(Some(self.0.code.close_code()));
        self
    }

    /// The part of the system that failed, for the log.
    #[must_use]
    pub fn with_component(mut self, component: impl Into<Cow<'static, str>>) -> Self {
        self.0.context.component = Some(component.into());
        self
    }

    /// More for the log.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.context.metadata.insert(key.into(), value.into());
        self
    }

    /// A message was dropped for a reason that its sender foresaw: told only where it asks.
    pub(crate) fn only_for_requests(mut self) -> Self {
        self.0.only_for_requests = true;
        self
    }

    pub(crate) fn is_only_for_requests(&self) -> bool {
        self.0.only_for_requests
    }

    /// Stands for another error, under whose id it is found in the log.
    pub(crate) fn instead_of(mut self, other: &Self) -> Self {
        self.0.context = other.0.context.clone();
        self
    }

    /// Fills in whose error it is, where nobody has said so yet.
    pub(crate) fn located(
        mut self,
        connection: ConnectionId,
        user: Option<&UserId>,
        message_type: Option<&str>,
    ) -> Self {
        let context = &mut self.0.context;
        context.connection_id.get_or_insert(connection);
        if context.user_id.is_none() {
            context.user_id = user.cloned();
        }
        if context.message_type.is_none() {
            // A hostile name may be as long as a message.
            context.message_type = message_type.map(|name| name.chars().take(MAX_SHOWN_TYPE_CHARS).collect());
        }
        self
    }

    /// Fills in who asked for a connection that there never was.
    pub(crate) fn of_user(mut self, user: Option<&UserId>) -> Self {
        self.0.context.user_id = user.cloned();
        self
    }

    /// Says what became of the message that could not be sent in order.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = Some(delivery);
        self
    }

    /// What became of a message, where a send failed at the backend. What was [not sent](Delivery::NotSent) may
    /// be sent again; who does that with what is [unknown](Delivery::Unknown) may send it twice.
    ///
    /// ```
    /// # use channels::{Delivery, Error};
    /// let error = Error::backend("not now").with_delivery(Delivery::NotSent);
    /// assert_eq!(error.delivery(), Some(Delivery::NotSent));
    /// ```
    pub fn delivery(&self) -> Option<Delivery> {
        self.0.delivery
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What stands as `error_code` on the wire.
    pub fn name(&self) -> &str {
        self.0.name.as_deref().unwrap_or(self.0.code.as_str())
    }

    /// The category.
    pub fn category(&self) -> Category {
        self.0.code.category()
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The words for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Problems by field.
    pub fn details(&self) -> &BTreeMap<String, Vec<String>> {
        self.0.details.by_field()
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// When it may, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the connection ends with this error.
    pub fn should_disconnect(&self) -> bool {
        match self.0.close {
            Some(choice) => choice.is_some(),
            None => self.0.code.closes(self.0.severity),
        }
    }

    /// The code the connection is closed with, where [`Error::should_disconnect`].
    pub fn close_code(&self) -> CloseCode {
        self.0.close.flatten().unwrap_or(self.0.code.close_code())
    }

    /// Where and when.
    pub fn context(&self) -> &ErrorContext {
        &self.0.context
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("severity", &self.0.severity)
            .field("details", self.details())
            .field("error_id", &self.0.context.error_id)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Unix seconds with fraction, as times go over the wire.
pub(crate) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
