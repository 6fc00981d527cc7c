//! One limit for all messages of a route but some.

use std::collections::HashSet;

use super::{Middleware, Next};
use crate::config::Rate;
use crate::error::Error;
use crate::message::Message;
use crate::rate_limit::{By, Limit};

/// Limits all messages together, by connection unless said otherwise; some types may be excluded.
///
/// `WS_RATE_LIMITS=messages=500/60s` overrides the rate without recompiling; `messages` is the bucket's
/// name unless [`RateLimit::bucket`] gives it another.
///
/// ```
/// use channels::middleware::RateLimit;
/// use channels::rate_limit::By;
/// use channels::Rate;
///
/// let limit = RateLimit::new("100/60s".parse::<Rate>().unwrap()).by(By::User).exclude(["ping", "typing_start"]);
/// ```
#[derive(Clone, Debug)]
pub struct RateLimit {
    limit: Limit,
    excluded: HashSet<&'static str>,
}

impl RateLimit {
    /// This many messages of each connection.
    pub fn new(rate: Rate) -> Self {
        Self {
            limit: Limit { bucket: "messages", rate, by: By::Connection, observe_only: false },
            excluded: HashSet::new(),
        }
    }

    /// Whose messages are counted together. [`By::Ip`] needs the client's address, and so
    /// [`Serve::into_route_with_connect_info`](crate::Serve::into_route_with_connect_info).
    #[must_use]
    pub fn by(mut self, by: By) -> Self {
        self.limit.by = by;
        self
    }

    /// Lets it refuse nothing: what exceeds it is counted by [`Stats::observed`](crate::Stats::observed) under
    /// `rate_limits`, and logged.
    #[must_use]
    pub fn observe_only(mut self) -> Self {
        self.limit.observe_only = true;
        self
    }

    /// The bucket's name: limits of one name count together, as long as they name the same rate.
    #[must_use]
    pub fn bucket(mut self, bucket: &'static str) -> Self {
        self.limit.bucket = bucket;
        self
    }

    /// Messages of these types are not counted.
    #[must_use]
    pub fn exclude(mut self, types: impl IntoIterator<Item = &'static str>) -> Self {
        self.excluded.extend(types);
        self
    }
}

impl Middleware for RateLimit {
    fn needs_address(&self) -> bool {
        self.limit.by == By::Ip
    }

    fn buckets(&self) -> Vec<&'static str> {
        vec![self.limit.bucket]
    }

    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        if !self.excluded.contains(message.name()) {
            next.layer().manager().check_rate(next.connection(), &self.limit).await?;
        }
        next.run(message).await
    }
}
