//! What may happen all day long, and is told of now and then: in the log, and to a client that floods.

use std::sync::atomic::{AtomicU64, Ordering};

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Is told once a second at most, or that many times, with how often it happened since. Times are in nanoseconds since a
/// beginning of the caller's.
#[derive(Debug, Default)]
pub(crate) struct Untold<const A_SECOND: u64 = 1> {
    /// Each time costs its part of a second, and a second may be owed. This is when nothing is.
    paid_at: AtomicU64,
    /// How often it happened and was not told.
    count: AtomicU64,
}

impl<const A_SECOND: u64> Untold<A_SECOND> {
    /// It happens: where it may be told now, how often it happened since it was.
    pub(crate) fn add(&self, now: u64) -> Option<u64> {
        if self.pay(now) {
            // Itself, whoever else may be told at the same moment, and what they have left.
            return Some(1 + self.take_all());
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// The same of what happened before.
    pub(crate) fn rest(&self, now: u64) -> Option<u64> {
        if self.is_empty() || !self.pay(now) {
            return None;
        }
        let count = self.take_all();
        (count > 0).then_some(count)
    }

    /// All that was not told, however soon after the last time.
    pub(crate) fn take_all(&self) -> u64 {
        self.count.swap(0, Ordering::Relaxed)
    }

    /// Whether all was told.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Whether there is a turn to tell it.
    fn pay(&self, now: u64) -> bool {
        let then = |paid_at: u64| {
            let then = paid_at.max(now).saturating_add(SECOND / A_SECOND);
            (then <= now.saturating_add(SECOND)).then_some(then)
        };
        self.paid_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, then).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_second_says_how_often_it_was() {
        let lines = <Untold>::default();
        assert_eq!(lines.add(1), Some(1));
        assert!((0..100).all(|_| lines.add(SECOND).is_none()));
        assert_eq!(lines.add(1 + SECOND), Some(101));
        assert_eq!(lines.add(2 + SECOND), None);
        assert_eq!(lines.add(1 + 5 * SECOND), Some(2));
        assert!((0..7).all(|_| lines.add(2 + 5 * SECOND).is_none()));
        assert_eq!(lines.rest(3 + 5 * SECOND), None, "not before the second is over");
        assert_eq!((lines.rest(7 * SECOND), lines.rest(9 * SECOND)), (Some(7), None));
    }

    #[test]
    fn who_may_be_told_at_the_same_moment_is() {
        for _ in 0..1_000 {
            let lines = Untold::<100>::default();
            let start = std::sync::Barrier::new(2);
            let add = || {
                start.wait();
                lines.add(5)
            };
            let told = std::thread::scope(|scope| {
                let other = scope.spawn(add);
                [add(), other.join().unwrap()]
            });
            assert_eq!(told, [Some(1), Some(1)]);
        }
    }

    #[test]
    fn each_of_a_hundred_a_second_is_told() {
        let lines = Untold::<100>::default();
        assert!((0..100).all(|_| lines.add(5) == Some(1)));
        assert!((0..50).all(|_| lines.add(5).is_none()));
        let told = (1..=1000).filter(|step| lines.add(5 + step * SECOND / 1000).is_some()).count();
        assert_eq!(told, 100, "of a thousand in the next second");
        assert_eq!(lines.add(7 * SECOND), Some(1));
    }
}
