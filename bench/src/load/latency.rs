//! Times, kept as a histogram.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::Failure;

/// Longer times count as this.
const LONGEST: Duration = Duration::from_secs(60);

/// Three digits of precision, from a nanosecond up.
#[derive(Debug)]
pub(super) struct Latency(Histogram<u64>);

impl Latency {
    /// # Errors
    ///
    /// Never: its bounds are constants.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self(Histogram::new_with_max(u64::try_from(LONGEST.as_nanos())?, 3)?))
    }

    pub(super) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    /// Milliseconds below which this share of all times lies; `None` if there is none.
    pub(super) fn percentile(&self, percent: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| round(self.0.value_at_percentile(percent) as f64 / 1e6))
    }

    /// How many, the median, the 99th percentile and the longest, in milliseconds.
    pub(super) fn summary(&self) -> Value {
        json!({
            "samples": self.0.len(),
            "p50_ms": self.percentile(50.0),
            "p99_ms": self.percentile(99.0),
            "max_ms": self.percentile(100.0),
        })
    }
}

/// Four digits behind the point are more than any of these numbers is worth.
pub(super) fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut latency = Latency::new().unwrap();
        assert_eq!(latency.percentile(50.0), None);
        (1..=100).for_each(|milliseconds| latency.record(milliseconds * 1_000_000));
        let near = |percent, expected: f64| (latency.percentile(percent).unwrap() - expected).abs() < 0.1;
        assert!(near(50.0, 50.0) && near(99.0, 99.0) && near(100.0, 100.0));
        assert_eq!(latency.summary()["samples"], 100);
    }
}
