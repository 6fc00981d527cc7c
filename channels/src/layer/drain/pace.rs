//! When a drain closes each connection, and when each client is told to come back.
//!
//! A client without the extras comes back as soon as it is closed, so it is closed when its turn has come. One with
//! them can be told to wait: where the closing has to be quicker than the coming back, it gets a turn that those leave
//! free. Turns are spaced evenly, as a second in which chance sends more than its share is what overruns a server.

use std::time::Duration;

/// The turns of a drain. Times count from its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Clients that cannot be told.
    plain: f64,
    /// Clients that are told when to come back.
    told: f64,
    /// How many may come back, a second.
    rate: f64,
    /// How many of those that are told may come back, a second, while others are closed.
    meanwhile: f64,
    /// How long the closing takes, in seconds.
    closing: f64,
}

impl Pace {
    /// Everybody is closed within `over`, sooner where the rate allows it.
    pub(super) fn new(plain: usize, told: usize, rate: usize, over: Duration) -> Self {
        let (plain, told, rate) = (plain as f64, told as f64, rate.max(1) as f64);
        let closing = over.as_secs_f64().min((plain + told) / rate);
        let meanwhile = if closing > 0.0 { (rate - plain / closing).max(0.0) } else { 0.0 };
        Self { plain, told, rate, meanwhile, closing }
    }

    /// When one that cannot be told is closed, and comes back.
    pub(super) fn closes_plain(&self, index: usize) -> Duration {
        seconds(self.closing * index as f64 / self.plain.max(1.0))
    }

    /// When one that is told is closed: never later than its turn.
    pub(super) fn closes_told(&self, index: usize) -> Duration {
        seconds(self.closing * index as f64 / self.told.max(1.0))
    }

    /// When one that is told may come back.
    pub(super) fn returns(&self, index: usize) -> Duration {
        let (index, in_time) = (index as f64, self.meanwhile * self.closing);
        if index < in_time {
            seconds(index / self.meanwhile)
        } else {
            seconds(self.closing + (index - in_time) / self.rate)
        }
    }

    /// When the closing is over.
    pub(super) fn closed(&self) -> Duration {
        seconds(self.closing)
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When everybody comes back, sorted.
    fn returns(pace: &Pace, plain: usize, told: usize) -> Vec<Duration> {
        let plain = (0..plain).map(|index| pace.closes_plain(index));
        let mut all: Vec<_> = plain.chain((0..told).map(|index| pace.returns(index))).collect();
        all.sort();
        all
    }

    /// The most that come back within any second.
    fn busiest_second(returns: &[Duration]) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (index, at) in returns.iter().enumerate() {
            while *at - returns[first] >= Duration::from_secs(1) {
                first += 1;
            }
            most = most.max(index + 1 - first);
        }
        most
    }

    #[test]
    fn no_second_sees_more_than_the_rate() {
        for (plain, told, rate, over) in [
            (0, 10_000, 1000, 5),
            (4000, 6000, 1000, 5),
            (10_000, 0, 2000, 5),
            (1, 3, 1, 5),
            (50, 10, 10, 60),
            (0, 200_000, 1000, 0),
            (700, 50, 333, 3),
        ] {
            let pace = Pace::new(plain, told, rate, Duration::from_secs(over));
            let returns = returns(&pace, plain, told);
            let busiest = busiest_second(&returns);
            // Two that come at one moment, one of each kind, are not told apart.
            assert!(busiest <= rate + 2, "{busiest} of {rate} for {plain}, {told} over {over} s");
            // Nor does anybody wait longer than the rate asks for.
            let last = returns.last().unwrap().as_secs_f64();
            assert!(last <= (plain + told) as f64 / rate as f64 + 1e-6, "{last} s for {plain}, {told}");
        }
    }

    #[test]
    fn nobody_is_told_to_be_back_before_the_close() {
        for (plain, told, rate, over) in [(0, 999, 100, 5), (300, 700, 100, 5), (700, 300, 100, 5), (5, 5, 100, 5)] {
            let pace = Pace::new(plain, told, rate, Duration::from_secs(over));
            for index in 0..told {
                let (closes, returns) = (pace.closes_told(index), pace.returns(index));
                assert!(closes <= returns + Duration::from_micros(1), "{index}: {closes:?} and {returns:?}");
                assert!(closes <= pace.closed() && pace.closed() <= Duration::from_secs(over));
            }
        }
    }

    /// Who cannot be told comes back when closed: the closing's own time comes first.
    #[test]
    fn the_closing_has_an_end_also_where_the_rate_cannot_be_kept() {
        let pace = Pace::new(10_000, 100, 100, Duration::from_secs(5));
        assert_eq!(pace.closed(), Duration::from_secs(5));
        assert!(pace.closes_plain(9_999) < Duration::from_secs(5));
        assert_eq!(pace.returns(0), Duration::from_secs(5), "told ones come behind them");
        assert_eq!(pace.returns(99), Duration::from_millis(5_990));
    }

    #[test]
    fn few_are_closed_within_their_turns() {
        let pace = Pace::new(1, 2, 1000, Duration::from_secs(5));
        assert_eq!(pace.closed(), Duration::from_millis(3));
        assert_eq!(Pace::new(0, 0, 1000, Duration::from_secs(5)).closed(), Duration::ZERO);
    }
}
