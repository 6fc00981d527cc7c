//! Rate limits by GCRA: so many at once, refilled evenly over a period.
//!
//! Unlike a window, it has no edge at which a client gets twice its share, and unlike the seed's
//! token bucket it never starves: at a rate just above the limit, the limit itself goes through.

mod bucket;
mod limiter;

use std::num::NonZeroU32;
use std::time::Duration;

pub(crate) use bucket::{Bucket, Clock, Piece};
pub(crate) use limiter::{ConnectionLimiters, KeyedLimiters};

use crate::config::Rate;

/// Whose messages a limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// One connection's; kept locally, gone with the connection.
    Connection,
    /// One user's, over all connections and servers. An anonymous connection counts by itself.
    User,
    /// One address's, over all connections and servers.
    Ip,
}

/// A limit with its name, as `#[rate_limit(n, per = "…", by = …)]` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it is called in `WS_RATE_LIMITS` and shared by: limits of one bucket count together, as long
    /// as they name the same rate. With two rates they count apart.
    pub bucket: &'static str,
    /// How many, and over what time.
    pub rate: Rate,
    /// Whose.
    pub by: By,
    /// It refuses nothing: what exceeds it is counted as
    /// [`observed`](crate::Stats::observed) by `rate_limits`, and logged.
    pub observe_only: bool,
}

impl Limit {
    /// Used by `#[consumer]`, which has checked that neither is zero.
    #[doc(hidden)]
    pub const fn checked(bucket: &'static str, count: u32, per: Duration, by: By) -> Self {
        let count = match NonZeroU32::new(count) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        };
        Self { bucket, rate: Rate::from_parts(count, per), by, observe_only: false }
    }

    /// The same, but it refuses nothing.
    #[must_use]
    pub const fn observe_only(mut self) -> Self {
        self.observe_only = true;
        self
    }
}
