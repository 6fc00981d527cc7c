//! The counting itself, by governor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed, keyed::DashMapStateStore};
use governor::{Quota, RateLimiter};

use crate::config::Rate;

/// Tokio's clock, which tests can pause.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokioClock;

impl Clock for TokioClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

type Keyed = RateLimiter<String, DashMapStateStore<String>, TokioClock, NoOpMiddleware<Instant>>;
type Direct = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Instant>>;

fn quota(rate: Rate) -> Quota {
    let each = (rate.per() / rate.count().get()).max(Duration::from_nanos(1));
    // A period of at least a nanosecond is never refused.
    Quota::with_period(each).unwrap_or(Quota::per_second(rate.count())).allow_burst(rate.count())
}

/// Limits by user and by address, one table for each rate.
#[derive(Debug, Default)]
pub(crate) struct KeyedLimiters {
    tables: DashMap<Rate, Arc<Keyed>>,
}

impl KeyedLimiters {
    /// Takes one; `Err` tells how long to wait for the next.
    pub(crate) fn check(&self, key: &str, rate: Rate) -> Result<(), Duration> {
        let table = self.tables.get(&rate).map(|table| Arc::clone(&table));
        let table = table.unwrap_or_else(|| {
            let make = || Arc::new(RateLimiter::new(quota(rate), DashMapStateStore::default(), TokioClock));
            Arc::clone(&self.tables.entry(rate).or_insert_with(make))
        });
        table.check_key(&key.to_owned()).map_err(|not_until| not_until.wait_time_from(TokioClock.now()))
    }

    /// Forgets whoever has their whole allowance again; called by the layer's sweep.
    pub(crate) fn sweep(&self) {
        for table in &self.tables {
            table.retain_recent();
            table.shrink_to_fit();
        }
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }
}

/// The limits of one connection, made when they are first asked for. Two of one bucket that name two rates count apart, as
/// they do by user and by address.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimiters {
    buckets: Mutex<HashMap<(&'static str, Rate), Direct>>,
}

impl ConnectionLimiters {
    pub(crate) fn check(&self, bucket: &'static str, rate: Rate) -> Result<(), Duration> {
        // The lock keeps nothing but the table; a panic inside governor leaves it whole.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || RateLimiter::direct_with_clock(quota(rate), TokioClock);
        let limiter = buckets.entry((bucket, rate)).or_insert_with(make);
        limiter.check().map_err(|not_until| not_until.wait_time_from(TokioClock.now()))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(count: u32, seconds: u64) -> Rate {
        Rate::from_parts(NonZeroU32::new(count).unwrap(), Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_refills_over_the_period() {
        let limiters = KeyedLimiters::default();
        let rate = rate(20, 10);
        for _ in 0..20 {
            limiters.check("ada", rate).unwrap();
        }
        let wait = limiters.check("ada", rate).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        limiters.check("bob", rate).unwrap();
        tokio::time::advance(wait).await;
        limiters.check("ada", rate).unwrap();
        limiters.check("ada", rate).unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn two_rates_of_one_name_count_apart() {
        let (slow, fast) = (rate(100, 60), rate(20, 1));
        let (keyed, of_connection) = (KeyedLimiters::default(), ConnectionLimiters::default());
        let checks: [&dyn Fn(Rate) -> Result<(), Duration>; 2] =
            [&|rate| keyed.check("messages", rate), &|rate| of_connection.check("messages", rate)];
        for check in checks {
            for number in 0..20 {
                assert_eq!((check(slow), check(fast)), (Ok(()), Ok(())), "{number}");
            }
            assert_eq!(check(fast), Err(Duration::from_millis(50)));
            for number in 20..100 {
                assert_eq!(check(slow), Ok(()), "{number}");
            }
            assert_eq!(check(slow), Err(Duration::from_millis(600)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_its_allowance_back_is_forgotten() {
        let limiters = KeyedLimiters::default();
        limiters.check("ada", rate(1, 1)).unwrap();
        limiters.sweep();
        assert_eq!(limiters.len(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        limiters.sweep();
        assert_eq!(limiters.len(), 0);
    }
}
