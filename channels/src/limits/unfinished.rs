//! What messages that are not complete hold together. Each of them is bounded, and so is its time, but not how many there are.
//!
//! One may hold as much as is then still free. So the larger a message is, the sooner it is refused, and few that hold much
//! cannot keep out the many that hold little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Verdicts;
use crate::close::CloseCode;
use crate::config::{Config, LimitName};
use crate::error::{Error, ErrorCode};
use crate::id::ConnectionId;

/// The bound is at least so many times the largest message, so that one always fits: it may hold twice what has come of it, as
/// memory grows by doubling, and as much has to be free beside it.
const LARGEST_MESSAGES: usize = 4;

/// The memory of all unfinished messages of a layer.
#[derive(Debug)]
pub(crate) struct UnfinishedBytes {
    most: usize,
    held: AtomicUsize,
    /// When somebody who was refused may come back, at the soonest.
    after: Duration,
    verdicts: Arc<Verdicts>,
}

/// What one of them holds, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    of: Arc<UnfinishedBytes>,
    bytes: usize,
    /// It went beyond the bound, which only looks on: that was counted.
    is_counted: bool,
}

impl UnfinishedBytes {
    /// `largest` is the largest message that is taken, in bytes.
    pub(crate) fn new(config: &Config, largest: usize, verdicts: &Arc<Verdicts>) -> Arc<Self> {
        let least = largest.saturating_mul(LARGEST_MESSAGES);
        let most = config.max_unfinished_bytes().map_or(usize::MAX, |most| most.max(least));
        let after = config.reconnect_delay().max(Duration::from_secs(1));
        Arc::new(Self { most, held: AtomicUsize::new(0), after, verdicts: Arc::clone(verdicts) })
    }

    /// What they hold now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes more for a message that then holds so many bytes, where as many are free beside it.
    fn take(&self, more: usize, bytes: usize) -> bool {
        let taken = |held: usize| held.checked_add(more).filter(|held| held.saturating_add(bytes) <= self.most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn refusal(&self) -> Error {
        Error::new(ErrorCode::RateLimitExceeded, "The server has too many unfinished messages. Please try again later.")
            .with_retry_after_spread(self.after)
            .with_detail("limit", LimitName::UnfinishedBytes.as_str())
            .closing(CloseCode::TRY_AGAIN_LATER)
    }
}

impl Held {
    pub(crate) fn nothing(of: &Arc<UnfinishedBytes>) -> Self {
        Self { of: Arc::clone(of), bytes: 0, is_counted: false }
    }

    /// The message of this connection holds so much now.
    ///
    /// # Errors
    ///
    /// With what the connection is closed with, as all together hold too much; what it held stays taken until this is dropped.
    pub(crate) fn grow(&mut self, bytes: usize, whose: ConnectionId) -> Result<(), Error> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        if !self.of.take(more, bytes) {
            if !self.is_counted && self.of.verdicts.refuses(LimitName::UnfinishedBytes, whose) {
                return Err(self.of.refusal());
            }
            self.is_counted = true;
            self.of.held.fetch_add(more, Ordering::Relaxed);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Counters;

    const WHOSE: ConnectionId = ConnectionId::new(1, 1);

    fn bound(vars: &[(&str, &str)]) -> (Arc<UnfinishedBytes>, Arc<Counters>) {
        let config = Config::builder().vars(vars.iter().copied()).unwrap().build().unwrap();
        let counters: Arc<Counters> = Arc::default();
        let verdicts = Arc::new(Verdicts::new(&config, Arc::clone(&counters)));
        (UnfinishedBytes::new(&config, config.max_message_size(), &verdicts), counters)
    }

    #[test]
    fn who_would_go_beyond_is_refused_and_nobody_else() {
        let (all, _) = bound(&[("WS_MAX_MESSAGE_SIZE", "10"), ("WS_MAX_UNFINISHED_BYTES", "100")]);
        let [mut first, mut second, mut third] = [(); 3].map(|()| Held::nothing(&all));
        assert!(first.grow(40, WHOSE).is_ok());
        assert!(second.grow(20, WHOSE).is_ok());
        let error = second.grow(31, WHOSE).unwrap_err();
        assert_eq!((error.code(), error.close_code()), (ErrorCode::RateLimitExceeded, CloseCode::TRY_AGAIN_LATER));
        assert!(error.should_disconnect() && error.is_retryable());
        let after = error.retry_after().unwrap();
        assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&after), "{after:?}");
        assert_eq!(all.held(), 60, "what was refused was not taken");
        assert!(third.grow(20, WHOSE).is_ok(), "one that holds less finds room");
        assert!(first.grow(41, WHOSE).is_err());
        drop(second);
        assert!(third.grow(30, WHOSE).is_ok());
        assert!(third.grow(25, WHOSE).is_ok(), "less is nothing to ask for");
        assert_eq!(all.held(), 70);
        drop((first, third));
        assert_eq!(all.held(), 0, "all of it is given back");
    }

    #[test]
    fn there_is_room_for_the_largest_message_whatever_the_bound_says() {
        let (all, _) = bound(&[("WS_MAX_MESSAGE_SIZE", "1KiB"), ("WS_MAX_UNFINISHED_BYTES", "1")]);
        let mut held = Held::nothing(&all);
        assert!(held.grow(2048, WHOSE).is_ok());
        assert!(held.grow(2049, WHOSE).is_err());
    }

    #[test]
    fn it_may_be_off() {
        let (all, _) = bound(&[("WS_MAX_UNFINISHED_BYTES", "off")]);
        let mut held = Held::nothing(&all);
        assert!(held.grow(usize::MAX >> 1, WHOSE).is_ok());
        assert_eq!(all.held(), usize::MAX >> 1, "it is counted all the same");
    }

    #[test]
    fn what_is_only_observed_is_counted_once_a_message() {
        let vars =
            [("WS_MAX_MESSAGE_SIZE", "1"), ("WS_MAX_UNFINISHED_BYTES", "10"), ("WS_OBSERVE_ONLY", "unfinished_bytes")];
        let (all, counters) = bound(&vars);
        let observed = || counters.snapshot(0, 0, 0).observed(LimitName::UnfinishedBytes);
        let mut held = Held::nothing(&all);
        for bytes in [5, 6, 20, 30] {
            assert!(held.grow(bytes, WHOSE).is_ok());
            assert_eq!(all.held(), bytes);
        }
        assert_eq!(observed(), 1);
        assert!(Held::nothing(&all).grow(1, WHOSE).is_ok());
        assert_eq!(observed(), 2);
        drop(held);
        assert_eq!(all.held(), 0);
    }
}
