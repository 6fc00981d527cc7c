//! What limits do while Redis is away.

use std::fmt;
use std::str::FromStr;

use super::ConfigError;

/// What becomes of limits that servers share while they cannot be asked; the values of `REDIS_LIMIT_FALLBACK`.
///
/// ```
/// use channels::LimitFallback;
///
/// assert_eq!("Refuse".parse::<LimitFallback>()?, LimitFallback::Refuse);
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitFallback {
    /// Each server counts for itself: all together may let in more than the limit until Redis is back.
    #[default]
    Local,
    /// Whatever needs a limit of several servers is refused with `BACKEND_ERROR`.
    Refuse,
}

impl LimitFallback {
    pub(super) const ALLOWED: &str = "local or refuse";
    const ALL: [Self; 2] = [Self::Local, Self::Refuse];

    /// The name in small letters.
    ///
    /// ```
    /// assert_eq!(channels::LimitFallback::Refuse.as_str(), "refuse");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Refuse => "refuse",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fallback| fallback.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for LimitFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LimitFallback {
    type Err = ConfigError;

    /// Takes `local` and `refuse` in any case.
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::find(name).ok_or_else(|| ConfigError::text(name, Self::ALLOWED))
    }
}
