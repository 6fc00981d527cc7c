//! Whether the server's memory still grows when nothing about the load changes any more.

use std::time::Duration;

use crate::process::Usage;

/// Growth that is not counted as such: allocators and caches breathe. A leak of 100 bytes a message
/// would be 3 MB in the second minute of the seed's load, and 1 KB a message 30 MB.
const TOLERANCE_KIB: u64 = 4 * 1024;

/// The same, as a share of what is resident.
const TOLERANCE_PERCENT: u64 = 2;

/// A moment is the median of this time before it, so that one unlucky look decides nothing.
const MOMENT: Duration = Duration::from_secs(5);

/// Caches still fill up in shorter runs, so these are measured, but not judged.
const SHORTEST: Duration = Duration::from_secs(60);

/// One look at the server, at a time after the first message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) usage: Usage,
}

/// Resident memory halfway and at the end, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) half: u64,
    pub(crate) end: u64,
    /// The most that is allowed at the end; `None` if the run is too short to tell.
    pub(crate) limit: Option<u64>,
}

impl Growth {
    /// `None` if the server was never looked at around one of the two moments.
    pub(crate) fn of(samples: &[Sample], duration: Duration) -> Option<Self> {
        let half = moment(samples, duration / 2)?;
        let end = moment(samples, duration)?;
        let limit = (duration >= SHORTEST).then(|| half + half * TOLERANCE_PERCENT / 100 + TOLERANCE_KIB);
        Some(Self { half, end, limit })
    }

    /// Whether it grew more than is tolerated.
    pub(crate) fn too_much(self) -> bool {
        self.limit.is_some_and(|limit| self.end > limit)
    }
}

fn moment(samples: &[Sample], end: Duration) -> Option<u64> {
    // A look is due every second, but never on the dot.
    let window = end.saturating_sub(MOMENT)..=end + Duration::from_millis(500);
    let mut resident: Vec<_> =
        samples.iter().filter(|sample| window.contains(&sample.at)).map(|sample| sample.usage.rss).collect();
    resident.sort_unstable();
    resident.get(resident.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(seconds: u64, rss: impl Fn(u64) -> u64) -> Option<Growth> {
        let sample =
            |second| Sample { at: Duration::from_secs(second), usage: Usage { rss: rss(second), peak: 0, cpu: 0.0 } };
        let samples: Vec<_> = (0..=seconds).map(sample).collect();
        Growth::of(&samples, Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_reached_in_the_first_minute_may_stay() {
        let growth = growth(120, |second| 100_000 + 3_000 * second.min(50)).unwrap();
        assert_eq!((growth.half, growth.end, growth.too_much()), (250_000, 250_000, false));
    }

    #[test]
    fn a_leak_of_a_kilobyte_a_message_is_found() {
        assert!(growth(120, |second| 200_000 + 500 * second).unwrap().too_much());
    }

    #[test]
    fn a_single_peak_is_no_growth() {
        assert!(!growth(120, |second| if second == 119 { 900_000 } else { 200_000 }).unwrap().too_much());
    }

    #[test]
    fn short_runs_are_not_judged() {
        let growth = growth(10, |second| 1_000 * second).unwrap();
        assert_eq!((growth.limit, growth.too_much()), (None, false));
        assert_eq!(Growth::of(&[], SHORTEST), None);
    }
}
