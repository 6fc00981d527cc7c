//! Which limits refuse and which only look on, and the log of these and of foreign pages.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::time::Instant;

use crate::config::{Config, LimitName, Origins};
use crate::error::{Error, shown};
use crate::rate_limit::Clock;
use crate::stats::Counters;

/// How often a limit that only looks on may write a line, and who refuses foreign pages.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// How much of a header goes into a line.
const MAX_HEADER_BYTES: usize = 300;

const FOREIGN_PAGE: &str = "a page of another origin is refused; WS_ALLOWED_ORIGINS names those that may connect";

const BROKEN: &str = "requests were refused as something is broken here, as a line before says";

const OBSERVED: &str = "would be refused, but this limit only observes";

/// What becomes of whatever exceeds a limit.
#[derive(Debug)]
pub(crate) struct Verdicts {
    counters: Arc<Counters>,
    observed: [bool; LimitName::ALL.len()],
    lines: [Lines; LimitName::ALL.len()],
    foreign_pages: Lines,
    broken: Lines,
    clock: Clock,
}

/// The log of one limit, of foreign pages, or of what is broken.
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
        let (lines, foreign_pages, broken) = Default::default();
        Self { counters, observed, lines, foreign_pages, broken, clock: Clock::start() }
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

    /// A page of another origin is refused: counts it. Whoever runs a page on another port than the server learns from the
    /// log why nothing works, and who has others knock all day does not fill it.
    pub(crate) fn foreign_page(&self, error: &Error, origins: &[&HeaderValue], host: Option<&str>, allowed: &Origins) {
        self.counters.refused_for_origin();
        let since = self.foreign_pages.due(self.clock.nanos(Instant::now()));
        // As long as a request's headers may be, and quoted.
        let origins = shown(&format_args!("{origins:?}"), MAX_HEADER_BYTES);
        let host = host.map(|host| shown(host, MAX_HEADER_BYTES));
        let (error_id, error_code) = (error.context().error_id, error.name());
        if let Some(since) = since {
            tracing::warn!(%error_id, error_code, %origins, host, %allowed, since_the_last_line = since, "{FOREIGN_PAGE}");
        } else {
            tracing::debug!(%error_id, error_code, %origins, host, %allowed, "{FOREIGN_PAGE}");
        }
    }

    /// Writes what came after the last lines, and would be told by none: called by the layer's sweep.
    pub(crate) fn tell_rest(&self) {
        let now = self.clock.nanos(Instant::now());
        for (limit, lines) in LimitName::ALL.iter().zip(&self.lines) {
            if let Some(since) = lines.rest(now) {
                tracing::warn!(%limit, since_the_last_line = since, "{OBSERVED}");
            }
        }
        if let Some(since) = self.foreign_pages.rest(now) {
            tracing::warn!(since_the_last_line = since, "{FOREIGN_PAGE}");
        }
        if let Some(since) = self.broken.rest(now) {
            tracing::error!(since_the_last_line = since, "{BROKEN}");
        }
    }

    /// A request is refused as something is broken here. Where a line may be written that somebody looks at, how often it
    /// was so since the last: whoever asks all day does not fill the log.
    pub(crate) fn broken(&self) -> Option<u64> {
        self.broken.due(self.clock.nanos(Instant::now()))
    }

    fn log(&self, limit: LimitName, who: &dyn fmt::Display) {
        if let Some(since) = self.lines[limit.index()].due(self.clock.nanos(Instant::now())) {
            tracing::warn!(%limit, %who, since_the_last_line = since, "{OBSERVED}");
        }
    }
}

impl Lines {
    /// There is something to tell: where a line may be written now, how much there was since the last.
    fn due(&self, now: u64) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        self.take_untold(now)
    }

    /// The same for what there was before.
    fn rest(&self, now: u64) -> Option<u64> {
        if self.untold.load(Ordering::Relaxed) > 0 { self.take_untold(now) } else { None }
    }

    /// By one of all who ask at once.
    fn take_untold(&self, now: u64) -> Option<u64> {
        let next = now + LINE_EVERY.as_nanos() as u64;
        let is_due = self.next_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| (at <= now).then_some(next));
        is_due.ok()?;
        let untold = self.untold.swap(0, Ordering::Relaxed);
        (untold > 0).then_some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_says_how_many_there_were() {
        let lines = Lines::default();
        let second = LINE_EVERY.as_nanos() as u64;
        assert_eq!(lines.due(1), Some(1));
        assert!((0..100).all(|_| lines.due(second).is_none()));
        assert_eq!(lines.due(1 + second), Some(101));
        assert_eq!(lines.due(2 + second), None);
        assert_eq!(lines.due(1 + 5 * second), Some(2));
        assert!((0..7).all(|_| lines.due(2 + 5 * second).is_none()));
        assert_eq!(lines.rest(3 + 5 * second), None, "not before the second is over");
        assert_eq!((lines.rest(7 * second), lines.rest(9 * second)), (Some(7), None));
    }
}
