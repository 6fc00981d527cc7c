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

    /// A request is refused as something is broken here. Where a line may be written that somebody looks at, how often it
    /// was so since the last: whoever asks all day does not fill the log.
    pub(crate) fn broken(&self) -> Option<u64> {
        self.broken.due(self.clock.nanos(Instant::now()))
    }

    fn log(&self, limit: LimitName, who: &dyn fmt::Display) {
        if let Some(since) = self.lines[limit.index()].due(self.clock.nanos(Instant::now())) {
            tracing::warn!(%limit, %who, since_the_last_line = since, "would be refused, but this limit only observes");
        }
    }
}

impl Lines {
    /// There is something to tell: where a line may be written now, how much there was since the last.
    fn due(&self, now: u64) -> Option<u64> {
        let since = self.untold.fetch_add(1, Ordering::Relaxed) + 1;
        let next = now + LINE_EVERY.as_nanos() as u64;
        let is_due = self.next_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| (at <= now).then_some(next));
        is_due.ok()?;
        self.untold.fetch_sub(since, Ordering::Relaxed);
        Some(since)
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
    }
}
