//! GCRA for what has a size: one number a bucket, and a debt for what is larger than the burst.
//!
//! governor refuses for ever what does not fit into a burst. Of bytes, whoever limits a connection to 1 MiB a second and
//! lets a message have 10 MiB means something else: it may come, and then nothing for ten seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Rate;

/// Nanoseconds since a beginning of one's own: what buckets count in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn nanos(self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How long a rate takes to give an amount.
fn cost(rate: Rate, amount: u64) -> u64 {
    let nanos = rate.per().as_nanos() * u128::from(amount) / u128::from(rate.count().get());
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// When all that was taken is paid for.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

impl Bucket {
    /// Takes an amount; `Err` tells how long to wait for it. What is larger than the burst needs a whole one.
    pub(crate) fn take(&self, rate: Rate, amount: u64, now: u64) -> Result<(), Duration> {
        let burst = nanos(rate.per());
        let (whole, needed) = (cost(rate, amount), cost(rate, amount.min(rate.count().get().into())));
        let mut paid_at = self.0.load(Ordering::Relaxed);
        loop {
            let from = paid_at.max(now);
            let wait = (from - now).saturating_add(needed).saturating_sub(burst);
            if wait > 0 {
                return Err(Duration::from_nanos(wait));
            }
            let then = from.saturating_add(whole);
            match self.0.compare_exchange_weak(paid_at, then, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => paid_at = other,
            }
        }
    }

    /// Whether it is as if nothing had ever been taken.
    pub(crate) fn is_full(&self, now: u64) -> bool {
        self.0.load(Ordering::Relaxed) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u32, seconds: u64) -> Rate {
        Rate::new(count, Duration::from_secs(seconds)).unwrap()
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_refills_evenly() {
        let (bucket, rate) = (Bucket::default(), rate(20, 10));
        for number in 0..20 {
            assert_eq!(bucket.take(rate, 1, SECOND), Ok(()), "{number}");
        }
        assert_eq!(bucket.take(rate, 1, SECOND), Err(Duration::from_millis(500)));
        assert_eq!(bucket.take(rate, 3, SECOND), Err(Duration::from_millis(1500)));
        assert_eq!(bucket.take(rate, 1, SECOND + SECOND / 2), Ok(()), "a refusal takes nothing");
        assert!(!bucket.is_full(SECOND * 11));
        assert!(bucket.is_full(SECOND * 12));
    }

    #[test]
    fn what_is_larger_than_the_burst_passes_once_and_is_paid_for() {
        let (bucket, rate) = (Bucket::default(), rate(1 << 20, 1));
        assert_eq!(bucket.take(rate, 10 << 20, 0), Ok(()));
        assert_eq!(bucket.take(rate, 10 << 20, 0), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(rate, 1 << 20, SECOND * 9), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(rate, 1 << 20, SECOND * 10), Ok(()));
    }

    #[test]
    fn a_rate_of_gigabytes_loses_nothing_to_rounding() {
        let (bucket, rate) = (Bucket::default(), rate(4_000_000_000, 1));
        for step in 0..1000 {
            assert_eq!(bucket.take(rate, 4_000_000, step * 1_000_000), Ok(()), "{step}");
        }
        assert_eq!(bucket.take(rate, 4_000_000_000, SECOND), Ok(()));
        assert_eq!(bucket.take(rate, 4_000_000, SECOND), Err(Duration::from_millis(1)));
    }

    #[test]
    fn the_largest_amount_at_the_slowest_rate_does_not_overflow() {
        let (bucket, rate) = (Bucket::default(), rate(1, 365 * 24 * 3600));
        assert_eq!(bucket.take(rate, 1 << 30, 5), Ok(()));
        assert!(bucket.take(rate, 1 << 30, u64::MAX - 1).is_err());
    }
}
