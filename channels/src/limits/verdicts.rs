//! Which limits refuse and which only look on, and the log of these.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Config, LimitName};
use crate::rate_limit::Clock;
use crate::stats::Counters;

/// How often a limit that only looks on may write a line.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// What becomes of whatever exceeds a limit.
#[derive(Debug)]
pub(crate) struct Verdicts {
    counters: Arc<Counters>,
    observed: [bool; LimitName::ALL.len()],
    lines: [Lines; LimitName::ALL.len()],
    clock: Clock,
}

/// The log of one limit.
#[derive(Debug, Default)]
struct Lines {
    /// When there may be another.
    next_at: AtomicU64,
    /// What was not told since.
    untold: AtomicU64,
}

impl Verdicts {
    pub(crate) fn new(config: &Config, counters: Arc<Counters>) -> Self {
        let observed = LimitName::ALL.map(|limit| config.observe_only().contains(&limit));
        Self { counters, observed, lines: Default::default(), clock: Clock::start() }
    }

    /// Whether a limit refuses nothing.
    pub(crate) fn observes(&self, limit: LimitName) -> bool {
        self.observed[limit.index()]
    }

    /// Somebody exceeds a limit: counts it, and says whether it is to be refused.
    pub(crate) fn refuses(&self, limit: LimitName, who: impl fmt::Display) -> bool {
        self.refuses_unless(self.observes(limit), limit, who)
    }

    /// As [`Verdicts::refuses`], where what was exceeded may say for itself that it only looks on.
    pub(crate) fn refuses_unless(&self, is_observed: bool, limit: LimitName, who: impl fmt::Display) -> bool {
        self.counters.exceeded(limit, is_observed);
        if is_observed {
            self.log(limit, &who);
        } else {
            tracing::debug!(%limit, %who, "refused");
        }
        !is_observed
    }

    pub(crate) fn flooded(&self) {
        self.counters.flooded();
    }

    fn log(&self, limit: LimitName, who: &dyn fmt::Display) {
        let lines = &self.lines[limit.index()];
        let since = lines.untold.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.clock.nanos(Instant::now());
        let next = now + LINE_EVERY.as_nanos() as u64;
        let is_due = lines.next_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| (at <= now).then_some(next));
        if is_due.is_ok() {
            lines.untold.fetch_sub(since, Ordering::Relaxed);
            tracing::warn!(%limit, %who, since_the_last_line = since, "would be refused, but this limit only observes");
        }
    }
}
