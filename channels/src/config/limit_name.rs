//! What the limits are called.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::ConfigError;

/// One of the limits of a server, by its name: what `WS_OBSERVE_ONLY` lists, and what
/// [`Stats`](crate::Stats) counts by.
///
/// ```
/// use channels::LimitName;
///
/// assert_eq!("frames_per_connection".parse::<LimitName>()?, LimitName::FramesPerConnection);
/// assert_eq!(LimitName::PayloadDepth.as_str(), "payload_depth");
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LimitName {
    /// `WS_CONNECTIONS_PER_ADDRESS`.
    ConnectionsPerAddress,
    /// `MAX_CONNECTIONS_PER_CLIENT`.
    ConnectionsPerUser,
    /// `WS_HANDSHAKES_PER_ADDRESS`.
    HandshakesPerAddress,
    /// `WS_HANDSHAKES_PER_USER`.
    HandshakesPerUser,
    /// `WS_FRAMES_PER_CONNECTION`.
    FramesPerConnection,
    /// `WS_FRAMES_PER_USER`.
    FramesPerUser,
    /// `WS_FRAMES_PER_ADDRESS`.
    FramesPerAddress,
    /// `WS_BYTES_PER_CONNECTION`.
    BytesPerConnection,
    /// `WS_BYTES_PER_USER`.
    BytesPerUser,
    /// `WS_BYTES_PER_ADDRESS`.
    BytesPerAddress,
    /// `WS_GROUPS_PER_CONNECTION`.
    GroupsPerConnection,
    /// `WS_MAX_MESSAGE_SIZE`.
    MessageSize,
    /// `WS_MAX_UNFINISHED_BYTES`.
    UnfinishedBytes,
    /// `WS_MAX_PAYLOAD_DEPTH`.
    PayloadDepth,
    /// Each `#[rate_limit]` of a handler, and the middleware `RateLimit`: `WS_RATE_LIMITS`.
    RateLimits,
}

impl LimitName {
    /// All of them, in the order of their indices.
    pub const ALL: [Self; 15] = [
        Self::ConnectionsPerAddress,
        Self::ConnectionsPerUser,
        Self::HandshakesPerAddress,
        Self::HandshakesPerUser,
        Self::FramesPerConnection,
        Self::FramesPerUser,
        Self::FramesPerAddress,
        Self::BytesPerConnection,
        Self::BytesPerUser,
        Self::BytesPerAddress,
        Self::GroupsPerConnection,
        Self::MessageSize,
        Self::UnfinishedBytes,
        Self::PayloadDepth,
        Self::RateLimits,
    ];

    /// The name in small letters, with underscores.
    ///
    /// ```
    /// use channels::LimitName;
    ///
    /// assert_eq!(LimitName::ALL[0].as_str(), "connections_per_address");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::ConnectionsPerUser => "connections_per_user",
            Self::HandshakesPerAddress => "handshakes_per_address",
            Self::HandshakesPerUser => "handshakes_per_user",
            Self::FramesPerConnection => "frames_per_connection",
            Self::FramesPerUser => "frames_per_user",
            Self::FramesPerAddress => "frames_per_address",
            Self::BytesPerConnection => "bytes_per_connection",
            Self::BytesPerUser => "bytes_per_user",
            Self::BytesPerAddress => "bytes_per_address",
            Self::GroupsPerConnection => "groups_per_connection",
            Self::MessageSize => "message_size",
            Self::UnfinishedBytes => "unfinished_bytes",
            Self::PayloadDepth => "payload_depth",
            Self::RateLimits => "rate_limits",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// What `all` stands for in `WS_OBSERVE_ONLY`: the limits that are off unless a variable turns them on. So it never takes
    /// away what protects a server without it; those limits are observed where they are named.
    pub(super) fn all_optional() -> BTreeSet<Self> {
        let is_optional = |limit: &Self| match limit {
            Self::ConnectionsPerAddress
            | Self::HandshakesPerAddress
            | Self::HandshakesPerUser
            | Self::FramesPerConnection
            | Self::FramesPerUser
            | Self::FramesPerAddress
            | Self::BytesPerConnection
            | Self::BytesPerUser
            | Self::BytesPerAddress => true,
            Self::ConnectionsPerUser
            | Self::GroupsPerConnection
            | Self::MessageSize
            | Self::UnfinishedBytes
            | Self::PayloadDepth
            | Self::RateLimits => false,
        };
        Self::ALL.into_iter().filter(is_optional).collect()
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.as_str().eq_ignore_ascii_case(name))
    }

    /// The names, for an error.
    pub(super) fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LimitName {
    type Err = ConfigError;

    /// Takes the names in any case.
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::find(name.trim()).ok_or_else(|| ConfigError::text(name, &Self::list()))
    }
}
