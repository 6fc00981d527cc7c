//! One second of a layer, and the last five minutes of them.

use std::collections::VecDeque;

use serde::Serialize;
use tokio::time::Instant;

use crate::error::unix_seconds;
use crate::layer::ChannelLayer;
use crate::stats::Stats;
use crate::timings::Distribution;

/// How many are kept.
const KEPT: usize = 300;

/// What the counters say at one moment.
struct Reading {
    at: Instant,
    stats: Stats,
    handled: Distribution,
    waited: Distribution,
}

impl Reading {
    fn of(layer: &ChannelLayer) -> Self {
        let timings = &layer.manager().counters.timings;
        let mut handled = Distribution::default();
        for (_, of_name) in timings.handlers() {
            handled.add(&of_name.so_far());
        }
        Self { at: Instant::now(), stats: layer.stats(), handled, waited: timings.waited.so_far() }
    }
}

/// What happened since the one before, by the second; durations in seconds, `None` where nothing was handled.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    /// Counts samples from the inspector's beginning.
    number: u64,
    /// Unix seconds.
    at: f64,
    connections: usize,
    messages_in: f64,
    messages_out: f64,
    bytes_in: f64,
    bytes_out: f64,
    errors: f64,
    dropped: f64,
    refused: f64,
    handler_p50: Option<f64>,
    handler_p99: Option<f64>,
    waited_p99: Option<f64>,
}

/// The last samples.
pub(super) struct History {
    before: Reading,
    number: u64,
    samples: VecDeque<Sample>,
}

impl History {
    pub(super) fn new(layer: &ChannelLayer) -> Self {
        Self { before: Reading::of(layer), number: 0, samples: VecDeque::with_capacity(KEPT) }
    }

    pub(super) fn sample(&mut self, layer: &ChannelLayer) {
        let now = Reading::of(layer);
        let before = std::mem::replace(&mut self.before, now);
        let now = &self.before;
        // The tick may have been late.
        let seconds = now.at.duration_since(before.at).as_secs_f64().max(f64::EPSILON);
        let rate = |of: fn(&Stats) -> u64| of(&now.stats).saturating_sub(of(&before.stats)) as f64 / seconds;
        let handled = now.handled.since(&before.handled);
        self.number += 1;
        let sample = Sample {
            number: self.number,
            at: unix_seconds(std::time::SystemTime::now()),
            connections: now.stats.connections,
            messages_in: rate(|stats| stats.messages_in),
            messages_out: rate(|stats| stats.messages_out),
            bytes_in: rate(|stats| stats.bytes_in),
            bytes_out: rate(|stats| stats.bytes_out),
            errors: rate(Stats::errors_total),
            dropped: rate(|stats| stats.dropped),
            refused: rate(|stats| stats.refused),
            handler_p50: handled.quantile(0.5),
            handler_p99: handled.quantile(0.99),
            waited_p99: now.waited.since(&before.waited).quantile(0.99),
        };
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Those that came after the one of this number.
    pub(super) fn after(&self, number: u64) -> Vec<Sample> {
        self.samples.iter().filter(|sample| sample.number > number).cloned().collect()
    }
}
