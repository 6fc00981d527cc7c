//! Who is who: connections and users.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest [`UserId`], in characters.
pub const MAX_USER_ID_CHARS: usize = 128;

/// One connection: the server's incarnation and a number that this incarnation never gives twice.
///
/// ```
/// # use channels::ConnectionId;
/// let id = ConnectionId::new(0xa1, 7);
/// assert_eq!(id.to_string(), "a1-7");
/// assert_eq!("a1-7".parse::<ConnectionId>().unwrap(), id);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    incarnation: u64,
    sequence: u64,
}

impl ConnectionId {
    /// An id out of its two parts.
    pub const fn new(incarnation: u64, sequence: u64) -> Self {
        Self { incarnation, sequence }
    }

    /// The incarnation of the server that holds the connection.
    pub const fn incarnation(self) -> u64 {
        self.incarnation
    }

    /// The connection's number on its server.
    pub const fn sequence(self) -> u64 {
        self.sequence
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.incarnation, self.sequence)
    }
}

/// A text that is no [`ConnectionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a connection id has the form `<server in hexadecimal>-<number>`")]
pub struct InvalidConnectionId;

impl std::str::FromStr for ConnectionId {
    type Err = InvalidConnectionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (server, number) = text.split_once('-').ok_or(InvalidConnectionId)?;
        Ok(Self {
            incarnation: u64::from_str_radix(server, 16).map_err(|_| InvalidConnectionId)?,
            sequence: number.parse().map_err(|_| InvalidConnectionId)?,
        })
    }
}

/// A user: 1 to [`MAX_USER_ID_CHARS`] characters, none of them a control character.
///
/// The rule is kept when one is made, deserialized, or taken from a path, so that a name with a
/// line break never reaches a log. A copy costs a reference count.
///
/// ```
/// # use channels::UserId;
/// assert_eq!(UserId::new("ada").unwrap().as_str(), "ada");
/// assert!(UserId::new("").is_err());
/// assert!(UserId::new("a\nb").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks and takes a name.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`] says which part of the rule the name breaks.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidUserId> {
        let name = name.into();
        if name.is_empty() {
            return Err(InvalidUserId::Empty);
        }
        // Bytes first: a hostile name of megabytes is not worth counting.
        if name.len() > MAX_USER_ID_CHARS * 4 || name.chars().count() > MAX_USER_ID_CHARS {
            return Err(InvalidUserId::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidUserId::ControlCharacter);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a name is no [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserId {
    /// It has no characters.
    #[error("a user id must not be empty")]
    Empty,
    /// It has more than [`MAX_USER_ID_CHARS`] characters.
    #[error("a user id has at most {MAX_USER_ID_CHARS} characters")]
    TooLong,
    /// It has a control character.
    #[error("a user id has no control characters")]
    ControlCharacter,
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidUserId;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(name).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_counted_in_characters() {
        assert!(UserId::new("é".repeat(MAX_USER_ID_CHARS)).is_ok());
        assert!(UserId::new("🦀".repeat(MAX_USER_ID_CHARS)).is_ok());
        assert_eq!(UserId::new("a".repeat(MAX_USER_ID_CHARS + 1)), Err(InvalidUserId::TooLong));
        assert_eq!(UserId::new("a".repeat(10_000)), Err(InvalidUserId::TooLong));
        assert_eq!(UserId::new("a\u{7f}"), Err(InvalidUserId::ControlCharacter));
    }
}
