//! How long things take, in fixed buckets. Nothing is measured until somebody wants to know.

#![cfg_attr(
    not(all(feature = "inspector", feature = "metrics")),
    allow(dead_code, reason = "only these two want to know")
)]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Stands for raw text frames where messages have names.
pub(crate) const TEXT: &str = "$text";
/// Stands for raw binary frames.
pub(crate) const BINARY: &str = "$binary";
/// Stands for every name that nobody knows here: a client's words never name anything that is kept.
pub(crate) const UNKNOWN: &str = "$unknown";

/// The upper bounds of the buckets, in seconds; a last bucket holds what took longer.
pub(crate) const BUCKETS: [f64; 19] = [
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 5.0, 10.0,
];

/// What a message can be sent to: every kind of topic.
pub(crate) const KINDS: [&str; 4] = ["group", "user", "connection", "everybody"];

/// How much of a bucket is handed over at once. Recorders keep each value, in 24 bytes or so, until somebody drains them.
pub(crate) const MOST_NEWS: u64 = 50_000;

/// How much fell into a bucket, and the sum of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) count: u64,
    pub(crate) nanos: u64,
}

/// What was measured up to one moment, or between two.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Distribution([Bucket; BUCKETS.len() + 1]);

impl Distribution {
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.0.iter().copied().filter(|bucket| bucket.count > 0)
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|at| Bucket {
            count: self.0[at].count.saturating_sub(earlier.0[at].count),
            nanos: self.0[at].nanos.saturating_sub(earlier.0[at].nanos),
        }))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(&other.0) {
            own.count += more.count;
            own.nanos += more.nanos;
        }
    }

    /// What this part of all stayed below, in seconds, as exact as the buckets are: the upper bound of the one in which
    /// it lies, and the mean of those that took longer than every bound.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let all: u64 = self.0.iter().map(|bucket| bucket.count).sum();
        // Rounded up: of one value every quantile is that value.
        let wanted = ((all as f64 * part).ceil() as u64).max(1);
        let mut below = 0;
        for (at, bucket) in self.0.iter().enumerate() {
            below += bucket.count;
            if bucket.count > 0 && below >= wanted {
                let mean = || Duration::from_nanos(bucket.nanos / bucket.count).as_secs_f64();
                return Some(BUCKETS.get(at).copied().unwrap_or_else(mean));
            }
        }
        None
    }
}

/// Durations of one kind. Counted by many at once.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS.len() + 1],
    nanos: [AtomicU64; BUCKETS.len() + 1],
    /// What [`Histogram::news`] has told already.
    told: Mutex<Distribution>,
}

impl Histogram {
    fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = BUCKETS.partition_point(|bound| *bound < seconds);
        self.nanos[at].fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        // Whoever reads the count finds its sum.
        self.counts[at].fetch_add(1, Ordering::Release);
    }

    /// Everything since the start. Beside somebody who adds, a bucket's sum may have what its count has not yet.
    pub(crate) fn so_far(&self) -> Distribution {
        Distribution(std::array::from_fn(|at| Bucket {
            count: self.counts[at].load(Ordering::Acquire),
            nanos: self.nanos[at].load(Ordering::Relaxed),
        }))
    }

    /// What was not told before, at most so many of each bucket; the rest is told next time. The mean of each bucket lies
    /// within it, also beside somebody who adds: what its sum has too much or too little of is made up for by the next.
    pub(crate) fn news(&self, at_most: u64) -> Distribution {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.so_far();
        let news = Distribution(std::array::from_fn(|at| {
            let (now, told) = (now.0[at], told.0[at]);
            let there = now.count.saturating_sub(told.count);
            let count = there.min(at_most);
            if count == 0 {
                return Bucket::default();
            }
            let nanos = u128::from(now.nanos.saturating_sub(told.nanos)) * u128::from(count) / u128::from(there);
            let (least, most) = bounds(at);
            let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
            Bucket { count, nanos: nanos.clamp(least.saturating_mul(count), most.saturating_mul(count)) }
        }));
        told.add(&news);
        news
    }
}

/// The shortest and the longest of a bucket, in nanoseconds.
fn bounds(at: usize) -> (u64, u64) {
    let nanos = |bound: f64| (bound * 1e9).round() as u64;
    let least = at.checked_sub(1).map_or(0, |below| nanos(BUCKETS[below]) + 1);
    (least, BUCKETS.get(at).copied().map_or(u64::MAX, nanos))
}

/// When something began, where it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began(Option<Instant>);

/// What a layer measures.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    wanted: AtomicBool,
    /// By the names of all consumers. Looked up when a route meets its first client, never for a message.
    handled: Mutex<Vec<(&'static str, Arc<Histogram>)>>,
    /// From a message's arrival to its handler.
    pub(crate) waited: Histogram,
    /// By the kind of topic.
    sent: [Histogram; KINDS.len()],
    /// What lay in all outboxes when the heartbeat last looked: messages, and bytes.
    pub(crate) queued: (AtomicUsize, AtomicUsize),
}

impl Timings {
    /// From now on everything is measured: two looks at the clock a message.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self) -> Began {
        Began(self.is_wanted().then(Instant::now))
    }

    /// The place of a consumer's handlers.
    pub(crate) fn of_handlers(&self, names: &[&'static str]) -> Handlers {
        let mut all = self.handled.lock().unwrap_or_else(PoisonError::into_inner);
        let names = names.iter().copied().chain([TEXT, BINARY, UNKNOWN]);
        Handlers(names.map(|name| (name, entry(&mut all, name))).collect())
    }

    /// What was sent to a kind of topic has been taken by the backend.
    pub(crate) fn sent(&self, kind: &'static str, began: Began) {
        if let Some(began) = began.0
            && let Some(at) = KINDS.iter().position(|known| *known == kind)
        {
            self.sent[at].add(began.elapsed());
        }
    }

    /// Handlers by their message, which have not all been used.
    pub(crate) fn handlers(&self) -> Vec<(&'static str, Arc<Histogram>)> {
        self.handled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends by the kind of their topic, which have not all been used.
    pub(crate) fn sends(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        KINDS.into_iter().zip(&self.sent)
    }
}

fn entry(all: &mut Vec<(&'static str, Arc<Histogram>)>, name: &'static str) -> Arc<Histogram> {
    if let Some((_, found)) = all.iter().find(|(known, _)| *known == name) {
        return Arc::clone(found);
    }
    all.push((name, Arc::default()));
    all.last().map(|(_, new)| Arc::clone(new)).unwrap_or_default()
}

/// The durations of one consumer's handlers, by their message.
#[derive(Debug)]
pub(crate) struct Handlers(Box<[(&'static str, Arc<Histogram>)]>);

impl Handlers {
    /// A handler of this message has ended, whose frame had arrived then.
    pub(crate) fn handled(&self, timings: &Timings, kind: &str, arrived: Option<Instant>, began: Began) {
        let Some(began) = began.0 else { return };
        if let Some(arrived) = arrived {
            timings.waited.add(began.saturating_duration_since(arrived));
        }
        // The last is for every name that is not known while compiling, so that the number of them is bounded.
        if let Some((_, histogram)) = self.0.iter().find(|(name, _)| *name == kind).or(self.0.last()) {
            histogram.add(began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(all: impl IntoIterator<Item = u64>) -> Histogram {
        let histogram = Histogram::default();
        all.into_iter().for_each(|micros| histogram.add(Duration::from_micros(micros)));
        histogram
    }

    #[test]
    fn a_quantile_is_the_bound_above_it() {
        assert_eq!(Distribution::default().quantile(0.5), None);
        let one = micros([300]).so_far();
        assert_eq!((one.quantile(0.0), one.quantile(1.0)), (Some(0.0005), Some(0.0005)));
        // A bound belongs to the bucket below it.
        assert_eq!(micros([500]).so_far().quantile(0.5), Some(0.0005));
        let many = micros((1..=98).map(|_| 20).chain([2_000, 60_000_000])).so_far();
        assert_eq!((many.quantile(0.5), many.quantile(0.98)), (Some(0.000025), Some(0.000025)));
        assert_eq!((many.quantile(0.99), many.quantile(1.0)), (Some(0.0025), Some(60.0)));
    }

    fn news(histogram: &Histogram, at_most: u64) -> Vec<(u64, u64)> {
        histogram.news(at_most).buckets().map(|bucket| (bucket.count, bucket.nanos)).collect()
    }

    #[test]
    fn news_are_told_once() {
        let histogram = micros([20, 20, 700]);
        assert_eq!(news(&histogram, MOST_NEWS), [(2, 40_000), (1, 700_000)]);
        assert_eq!(news(&histogram, MOST_NEWS), []);
        histogram.add(Duration::from_micros(700));
        assert_eq!(news(&histogram, MOST_NEWS), [(1, 700_000)]);
    }

    #[test]
    fn what_is_too_much_for_once_is_told_later_and_stays_exact() {
        let histogram = micros((0..25).map(|number| 11 + number % 14).chain([700]));
        let all: u64 = (0..25).map(|number| 11_000 + number % 14 * 1000).sum();
        let told: Vec<_> = (0..4).map(|_| news(&histogram, 10)).collect();
        let counts: Vec<Vec<u64>> = told.iter().map(|part| part.iter().map(|(count, _)| *count).collect()).collect();
        assert_eq!(counts, [vec![10, 1], vec![10], vec![5], vec![]]);
        assert_eq!(told.iter().map(|part| part.first().map_or(0, |(_, nanos)| *nanos)).sum::<u64>(), all);
    }

    #[test]
    fn beside_somebody_who_adds_a_mean_lies_in_its_bucket_and_the_sum_comes_out() {
        // Another has added its sum, and not yet its count.
        let histogram = micros([20]);
        histogram.nanos[1].fetch_add(24_000, Ordering::Relaxed);
        assert_eq!(news(&histogram, 10), [(1, 25_000)]);
        histogram.counts[1].fetch_add(1, Ordering::Relaxed);
        assert_eq!(news(&histogram, 10), [(1, 19_000)]);
        // The mean of both was within the bucket.
        let histogram = micros([11, 11]);
        histogram.nanos[1].fetch_add(22_000, Ordering::Relaxed);
        assert_eq!(news(&histogram, 10), [(2, 44_000)]);
        histogram.counts[1].fetch_add(1, Ordering::Relaxed);
        assert_eq!(news(&histogram, 10), [(1, 10_001)]);
        histogram.add(Duration::from_micros(24));
        assert_eq!(news(&histogram, 10), [(1, 13_999)]);
    }
}
