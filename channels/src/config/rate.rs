//! So many in so long a time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::value::{MAX_PERIOD, MIN_PERIOD};
use super::{ConfigError, units};

/// A number of messages in a period: the values of `WS_RATE_LIMITS`.
///
/// It is written `count/period`, the period with a unit (`500ms`, `10s`, `5m`, `1h`) or as a plain
/// number of seconds. Written and read again, it is the same.
///
/// ```
/// use channels::Rate;
/// use std::time::Duration;
///
/// let rate: Rate = "100/60".parse()?;
/// assert_eq!(rate, Rate::new(100, Duration::from_secs(60))?);
/// assert_eq!(rate.to_string(), "100/1m");
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
}

impl Rate {
    /// `count` messages in each `per`.
    ///
    /// # Errors
    ///
    /// A count of 0, which is no limit but a ban, and a period below 1 ms or above 365 days.
    ///
    /// ```
    /// use channels::Rate;
    /// use std::time::Duration;
    ///
    /// assert!(Rate::new(3, Duration::from_secs(60)).is_ok());
    /// assert!(Rate::new(0, Duration::from_secs(60)).is_err());
    /// assert!(Rate::new(3, Duration::ZERO).is_err());
    /// ```
    pub fn new(count: u32, per: Duration) -> Result<Self, ConfigError> {
        Self::checked(count, per).ok_or_else(|| Self::error(&format!("{count}/{}", units::show_duration(per))))
    }

    /// How many messages.
    ///
    /// ```
    /// assert_eq!("5/1s".parse::<channels::Rate>()?.count().get(), 5);
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In how long a time; 1 ms to 365 days.
    ///
    /// ```
    /// assert_eq!("5/2m".parse::<channels::Rate>()?.per().as_secs(), 120);
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub const fn per(self) -> Duration {
        self.per
    }

    /// A rate of the code, whose parts the macro has checked.
    pub(crate) const fn from_parts(count: NonZeroU32, per: Duration) -> Self {
        Self { count, per }
    }

    fn checked(count: u32, per: Duration) -> Option<Self> {
        let count = NonZeroU32::new(count)?;
        (MIN_PERIOD..=MAX_PERIOD).contains(&per).then_some(Self { count, per })
    }

    fn read(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let count = u32::try_from(units::parse_count(count)?).ok()?;
        Self::checked(count, units::parse_duration(per)?)
    }

    fn error(text: &str) -> ConfigError {
        let min = units::show_duration(MIN_PERIOD);
        let max = units::show_duration(MAX_PERIOD);
        let expected = format!("count/period (100/1s, 5/500ms), a count from 1, a period from {min} to {max}");
        ConfigError::text(text, &expected)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, units::show_duration(self.per))
    }
}

impl FromStr for Rate {
    type Err = ConfigError;

    /// Takes `100/1s`; white space around the parts is nothing.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::read(text).ok_or_else(|| Self::error(text))
    }
}
