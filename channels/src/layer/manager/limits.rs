//! How much somebody who was let in may ask for.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ConnectionManager;
use crate::backend::Backend;
use crate::config::{Config, LimitName};
use crate::connection::Connection;
use crate::error::Error;
use crate::limits::Verdicts;
use crate::rate_limit::{By, Limit};

/// How many times as large as allowed a message may be where its size is only observed: memory is still the server's.
const OBSERVED_SIZE_TIMES: usize = 4;

pub(super) fn largest_message(config: &Config, verdicts: &Verdicts) -> usize {
    let allowed = config.max_message_size();
    if verdicts.observes(LimitName::MessageSize) { allowed.saturating_mul(OBSERVED_SIZE_TIMES) } else { allowed }
}

impl ConnectionManager {
    /// Takes one of a limit.
    pub(crate) async fn check_rate(&self, connection: &Connection, limit: &Limit) -> Result<(), Error> {
        let rate = self.config.rate_limits().get(limit.bucket).copied().unwrap_or(limit.rate);
        // Neither part has control characters, so that no two pairs make one key.
        let key = match (limit.by, connection.user(), connection.address()) {
            (By::User, Some(user), _) => format!("u\0{}\0{user}", limit.bucket),
            (By::Ip, _, Some(address)) => format!("i\0{}\0{address}", limit.bucket),
            _ => return self.limited(connection, limit, connection.limiters().check(limit.bucket, rate)),
        };
        match self.backend.check_rate(&key, rate).await {
            Ok(answer) => self.limited(connection, limit, answer),
            Err(error) if self.is_observed(limit) => {
                tracing::debug!(%error, bucket = limit.bucket, "cannot tell");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The largest message that is taken, in bytes: more than may be where what is too large is only observed.
    pub(crate) fn largest_message(&self) -> usize {
        largest_message(&self.config, &self.verdicts)
    }

    /// Some consumer wants a first frame within this time: the sweep has to look often enough.
    pub(crate) fn expect_first_frame(&self, within: Duration) {
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.first_frame.fetch_min(within, Ordering::Relaxed);
    }

    pub(in crate::layer) fn first_frame_within(&self) -> Duration {
        Duration::from_millis(self.first_frame.load(Ordering::Relaxed))
    }

    /// A message is nested too deep: whether it is to be refused.
    pub(crate) fn refuses_depth(&self, connection: &Connection) -> bool {
        self.verdicts.refuses(LimitName::PayloadDepth, connection.id())
    }

    fn is_observed(&self, limit: &Limit) -> bool {
        limit.observe_only || self.verdicts.observes(LimitName::RateLimits)
    }

    fn limited(&self, connection: &Connection, limit: &Limit, answer: Result<(), Duration>) -> Result<(), Error> {
        let Err(wait) = answer else { return Ok(()) };
        let (id, address) = (connection.id(), connection.address());
        let who: &dyn fmt::Display = match (limit.by, connection.user(), &address) {
            (By::User, Some(user), _) => user,
            (By::Ip, _, Some(address)) => address,
            _ => &id,
        };
        let who = format_args!("{} of {who}", limit.bucket);
        let is_refused = self.verdicts.refuses_unless(self.is_observed(limit), LimitName::RateLimits, who);
        if is_refused { Err(Error::rate_limited(wait)) } else { Ok(()) }
    }
}
