//! Which backend serves the layer.

use std::fmt;
use std::str::FromStr;

use super::ConfigError;

/// Where groups, users and the registry live; the values of `BACKEND_TYPE`.
///
/// ```
/// use channels::BackendType;
///
/// assert_eq!("Redis".parse::<BackendType>()?, BackendType::Redis);
/// assert_eq!(BackendType::Memory.to_string(), "memory");
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendType {
    /// In the memory of this process: one server.
    #[default]
    Memory,
    /// In Redis: any number of servers. It needs the feature `redis`.
    Redis,
}

impl BackendType {
    pub(super) const ALLOWED: &str = "memory or redis";
    const ALL: [Self; 2] = [Self::Memory, Self::Redis];

    /// The name in small letters.
    ///
    /// ```
    /// assert_eq!(channels::BackendType::Redis.as_str(), "redis");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for BackendType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BackendType {
    type Err = ConfigError;

    /// Takes `memory` and `redis` in any case.
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::find(name).ok_or_else(|| ConfigError::text(name, Self::ALLOWED))
    }
}
