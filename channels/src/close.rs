//! Why a connection ends: close codes and who began it.

use std::borrow::Cow;
use std::fmt;

/// A WebSocket close code.
///
/// Codes of our own: 4000 to 4499 mean "reconnect", 4500 to 4999 "do not".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: a clean end.
    pub const NORMAL: Self = Self(1000);
    /// 1001: this side goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the other side broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: data of a kind that is not taken.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the peer's close frame named no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection was lost without a close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: a text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: not allowed; do not come back like this.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message over `WS_MAX_MESSAGE_SIZE`.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1011: a fault on the server; reconnect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; reconnect.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: too many now; reconnect later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 4408: nothing was heard of the client within `WS_HEARTBEAT_TIMEOUT`, a message took longer than
    /// `WS_MESSAGE_TIMEOUT` to arrive, or the first one longer than `first_frame` of the consumer; reconnect.
    pub const HEARTBEAT_LOST: Self = Self(4408);
    /// 4413: the client took its messages too slowly and its outbox is full; reconnect.
    pub const OUTBOX_FULL: Self = Self(4413);
    /// 4501: the application closed the connection; do not come back.
    pub const CLOSED_BY_APPLICATION: Self = Self(4501);

    /// Those that have a name here; every other one is counted with the rest.
    pub const NAMED: [Self; 15] = [
        Self::NORMAL,
        Self::GOING_AWAY,
        Self::PROTOCOL_ERROR,
        Self::UNSUPPORTED_DATA,
        Self::NO_STATUS,
        Self::ABNORMAL,
        Self::INVALID_PAYLOAD,
        Self::POLICY_VIOLATION,
        Self::MESSAGE_TOO_BIG,
        Self::INTERNAL_ERROR,
        Self::SERVICE_RESTART,
        Self::TRY_AGAIN_LATER,
        Self::HEARTBEAT_LOST,
        Self::OUTBOX_FULL,
        Self::CLOSED_BY_APPLICATION,
    ];

    /// A code that may go over the wire: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// What the peer said, legal or not.
    pub(crate) const fn received(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether a client that gets this code should come back.
    pub const fn asks_to_reconnect(self) -> bool {
        matches!(self.0, 1001 | 1006 | 1011..=1013 | 4000..=4499)
    }
}

impl ClosedBy {
    /// Everybody who may, in the order of `self as usize`.
    pub(crate) const ALL: [Self; 3] = [Self::Client, Self::Server, Self::Lost];
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The client sent a close frame.
    Client,
    /// This server: a limit, the heartbeat, a drain, an error, or the application.
    Server,
    /// Nobody said so: the network or the client's process went.
    Lost,
}

/// Why a connection ended, as `#[disconnect]` gets it.
///
/// ```
/// # use channels::{CloseCode, CloseReason, ClosedBy};
/// let reason = CloseReason::server(CloseCode::SERVICE_RESTART, "the server restarts");
/// assert_eq!(reason.code(), CloseCode::SERVICE_RESTART);
/// assert_eq!(reason.closed_by(), ClosedBy::Server);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    code: CloseCode,
    text: Cow<'static, str>,
    by: ClosedBy,
}

/// The longest reason that fits a close frame, in bytes.
const MAX_REASON_BYTES: usize = 123;

impl CloseReason {
    /// This server ends it. A longer reason than 123 bytes is cut; a code that must not go over the
    /// wire, such as 1006, becomes 1011.
    pub fn server(code: CloseCode, text: impl Into<Cow<'static, str>>) -> Self {
        let code = CloseCode::new(code.as_u16()).unwrap_or(CloseCode::INTERNAL_ERROR);
        let mut text = text.into();
        if text.len() > MAX_REASON_BYTES {
            let end = text.floor_char_boundary(MAX_REASON_BYTES);
            text = Cow::Owned(text[..end].to_owned());
        }
        Self { code, text, by: ClosedBy::Server }
    }

    /// The client ended it, with the code and reason of its close frame.
    pub(crate) fn client(frame: Option<(u16, String)>) -> Self {
        let (code, text) = match frame {
            Some((code, text)) => (CloseCode::received(code), Cow::Owned(text)),
            None => (CloseCode::NO_STATUS, Cow::Borrowed("")),
        };
        Self { code, text, by: ClosedBy::Client }
    }

    /// The connection broke.
    pub(crate) const fn lost() -> Self {
        Self { code: CloseCode::ABNORMAL, text: Cow::Borrowed("the connection was lost"), by: ClosedBy::Lost }
    }

    /// The code, as sent or received; 1005 and 1006 stand for none.
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The words, empty where there are none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who ended it.
    pub const fn closed_by(&self) -> ClosedBy {
        self.by
    }

    /// Whether the client ended it in good order: 1000, 1001, or a close frame without a code.
    pub fn is_clean(&self) -> bool {
        self.by == ClosedBy::Client && matches!(self.code.as_u16(), 1000 | 1001 | 1005)
    }
}

/// [`CloseCode::CLOSED_BY_APPLICATION`] with these words.
impl From<&'static str> for CloseReason {
    fn from(words: &'static str) -> Self {
        Self::server(CloseCode::CLOSED_BY_APPLICATION, words)
    }
}

/// [`CloseCode::CLOSED_BY_APPLICATION`] with these words.
impl From<String> for CloseReason {
    fn from(words: String) -> Self {
        Self::server(CloseCode::CLOSED_BY_APPLICATION, words)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The words may be the client's: written as a quoted string, they cannot forge a line of a log.
        write!(f, "{} by {:?}: {:?}", self.code, self.by, self.text)
    }
}
