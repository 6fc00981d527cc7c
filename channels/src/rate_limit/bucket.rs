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

/// What is taken: all of something, or some of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) amount: u64,
    /// How much has come of the same before.
    pub(crate) before: u64,
    /// When what was taken of the same is paid for, as if nobody else had taken anything; 0 where nothing was.
    pub(crate) own_paid_at: u64,
    /// Nothing more of it will be taken.
    pub(crate) is_last: bool,
}

impl Bucket {
    /// Takes a piece, and tells when it and what was taken of the same before are paid for, as if nobody else had taken
    /// anything; `Err` tells how long to wait for the whole, where what was taken of it is given back. What is owed of one
    /// thing may be more than the burst while nothing else is, and so may what is to be continued.
    ///
    /// Time pays for what is its own and for what is others' alike, so that there is never less owed than both together:
    /// beside its own, at least what the others would owe without it. Hence nothing passes for what others have taken.
    pub(crate) fn take(&self, rate: Rate, piece: Piece, now: u64) -> Result<u64, Duration> {
        let Piece { amount, before, own_paid_at, is_last } = piece;
        let burst = nanos(rate.per());
        let (new, own) = (cost(rate, amount), own_paid_at.saturating_sub(now));
        let needed = own.saturating_add(new).min(burst);
        let mut paid_at = self.0.load(Ordering::Relaxed);
        loop {
            let from = paid_at.max(now);
            let others = (from - now).saturating_sub(own);
            if others.saturating_add(needed) > burst {
                let whole = if is_last { cost(rate, before.saturating_add(amount)).min(burst) } else { burst };
                return Err(Duration::from_nanos(others.saturating_add(whole).saturating_sub(burst)));
            }
            let then = from.saturating_add(new);
            match self.0.compare_exchange_weak(paid_at, then, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(own_paid_at.max(now).saturating_add(new)),
                Err(other) => paid_at = other,
            }
        }
    }

    /// Gives back what was taken for nothing, as far as time has not paid for it: others would pay with the rest.
    pub(crate) fn give_back(&self, own_paid_at: u64, now: u64) {
        let own = own_paid_at.saturating_sub(now);
        if own > 0 {
            // It cannot fail, as there is always a number.
            let _ =
                self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid_at| Some(paid_at.saturating_sub(own)));
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

    fn all(amount: u64) -> Piece {
        Piece { amount, before: 0, own_paid_at: 0, is_last: true }
    }

    fn take(bucket: &Bucket, rate: Rate, piece: Piece, now: u64) -> Result<(), Duration> {
        bucket.take(rate, piece, now).map(drop)
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_refills_evenly() {
        let (bucket, rate) = (Bucket::default(), rate(20, 10));
        for number in 0..20 {
            assert_eq!(take(&bucket, rate, all(1), SECOND), Ok(()), "{number}");
        }
        assert_eq!(take(&bucket, rate, all(1), SECOND), Err(Duration::from_millis(500)));
        assert_eq!(take(&bucket, rate, all(3), SECOND), Err(Duration::from_millis(1500)));
        assert_eq!(take(&bucket, rate, all(1), SECOND + SECOND / 2), Ok(()), "a refusal takes nothing");
        assert!(!bucket.is_full(SECOND * 11));
        assert!(bucket.is_full(SECOND * 12));
    }

    #[test]
    fn what_is_larger_than_the_burst_passes_once_and_is_paid_for() {
        let (bucket, rate) = (Bucket::default(), rate(1 << 20, 1));
        assert_eq!(take(&bucket, rate, all(10 << 20), 0), Ok(()));
        assert_eq!(take(&bucket, rate, all(10 << 20), 0), Err(Duration::from_secs(10)));
        assert_eq!(take(&bucket, rate, all(1 << 20), SECOND * 9), Err(Duration::from_secs(1)));
        assert_eq!(take(&bucket, rate, all(1 << 20), SECOND * 10), Ok(()));
    }

    #[test]
    fn a_rate_of_gigabytes_loses_nothing_to_rounding() {
        let (bucket, rate) = (Bucket::default(), rate(4_000_000_000, 1));
        for step in 0..1000 {
            assert_eq!(take(&bucket, rate, all(4_000_000), step * 1_000_000), Ok(()), "{step}");
        }
        assert_eq!(take(&bucket, rate, all(4_000_000_000), SECOND), Ok(()));
        assert_eq!(take(&bucket, rate, all(4_000_000), SECOND), Err(Duration::from_millis(1)));
    }

    #[test]
    fn the_largest_amount_at_the_slowest_rate_does_not_overflow() {
        let (bucket, rate) = (Bucket::default(), rate(1, 365 * 24 * 3600));
        assert_eq!(take(&bucket, rate, all(1 << 30), 5), Ok(()));
        assert!(take(&bucket, rate, all(1 << 30), u64::MAX - 1).is_err());
    }

    #[test]
    fn pieces_pass_where_the_whole_would() {
        let rate = rate(1 << 20, 1);
        // So many KiB behind others.
        let kib = |amount: u64, before: u64, own_paid_at, is_last| {
            let (amount, before) = (amount << 10, before << 10);
            Piece { amount, before, own_paid_at, is_last }
        };
        // Larger than the burst, and nobody else took anything.
        let (bucket, mut own) = (Bucket::default(), 0);
        for number in 0..100 {
            own = bucket.take(rate, kib(100, 100 * number, own, number == 99), 0).unwrap();
        }
        assert!(take(&bucket, rate, all(1), SECOND * 8).is_err(), "it is paid for");
        // Half of it is somebody else's.
        let bucket = Bucket::default();
        assert_eq!(take(&bucket, rate, all(1 << 19), 0), Ok(()));
        let own = bucket.take(rate, kib(512, 0, 0, false), 0).unwrap();
        assert_eq!(own, SECOND / 2);
        assert_eq!(take(&bucket, rate, kib(1, 512, own, true), 0), Err(Duration::from_nanos(SECOND / 1024)));
        let who_knows = Err(Duration::from_millis(500));
        assert_eq!(take(&bucket, rate, kib(1, 512, own, false), 0), who_knows, "how much it becomes");
        bucket.give_back(own, 0);
        assert_eq!(take(&bucket, rate, all(1 << 19), 0), Ok(()));
        assert!(take(&bucket, rate, all(1), 0).is_err());
    }

    #[test]
    fn what_time_has_paid_for_stands_for_nobody_else() {
        let (bucket, rate) = (Bucket::default(), rate(1000, 1));
        let half = |own_paid_at, is_last| Piece { amount: 500, before: 0, own_paid_at, is_last };
        let own = bucket.take(rate, half(0, false), 0).unwrap();
        assert_eq!(take(&bucket, rate, all(1000), SECOND * 10), Ok(()));
        assert_eq!(take(&bucket, rate, half(own, true), SECOND * 10), Err(Duration::from_millis(500)));
        bucket.give_back(own, SECOND * 10);
        assert_eq!(take(&bucket, rate, all(1), SECOND * 10), Err(Duration::from_millis(1)), "nor is it given back");
        // Half of it was paid for meanwhile.
        let bucket = Bucket::default();
        let own = bucket.take(rate, half(0, false), 0).unwrap();
        assert_eq!(take(&bucket, rate, all(500), SECOND / 4), Ok(()));
        bucket.give_back(own, SECOND / 4);
        assert_eq!(take(&bucket, rate, all(501), SECOND / 4), Err(Duration::from_millis(1)));
        assert_eq!(take(&bucket, rate, all(500), SECOND / 4), Ok(()));
    }
}
