//! Which limits refuse and which only look on, and the log of these and of foreign pages.

use std::fmt;
use std::sync::Arc;

use axum::http::HeaderValue;
use tokio::time::Instant;

use super::untold::Untold;
use crate::config::{Config, LimitName, Origins};
use crate::error::{Error, shown};
use crate::rate_limit::Clock;
use crate::stats::Counters;

/// How much of a header goes into a line, and of who it is.
const MAX_SHOWN_BYTES: usize = 300;

const FOREIGN_PAGE: &str = "a page of another origin is refused; WS_ALLOWED_ORIGINS names those that may connect";

const BROKEN: &str = "requests were refused as something is broken here, as a line before says";

const OBSERVED: &str = "would be refused, but this limit only observes";

/// What becomes of whatever exceeds a limit.
#[derive(Debug)]
pub(crate) struct Verdicts {
    counters: Arc<Counters>,
    observed: [bool; LimitName::ALL.len()],
    lines: [Untold; LimitName::ALL.len()],
    foreign_pages: Untold,
    broken: Untold,
    clock: Clock,
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
            tracing::debug!(%limit, who = shown(&who, MAX_SHOWN_BYTES), "refused");
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
        let since = self.foreign_pages.add(self.clock.nanos(Instant::now()));
        // As long as a request's headers may be, and quoted.
        let origins = shown(&format_args!("{origins:?}"), MAX_SHOWN_BYTES);
        let host = host.map(|host| shown(host, MAX_SHOWN_BYTES));
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
        self.broken.add(self.clock.nanos(Instant::now()))
    }

    fn log(&self, limit: LimitName, who: &dyn fmt::Display) {
        if let Some(since) = self.lines[limit.index()].add(self.clock.nanos(Instant::now())) {
            // A name may be a client's: quoted, it cannot forge a field.
            let who = shown(who, MAX_SHOWN_BYTES);
            tracing::warn!(%limit, who, since_the_last_line = since, "{OBSERVED}");
        }
    }
}
