//! Claims of one process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::time::Instant;

use super::{Claim, Claimed, Settlement};
use crate::error::Error;

/// How many bytes are kept at once, with what each claim costs besides its key and its answer. What does not fit is
/// refused: to forget an answer would be to do something twice.
pub(super) const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;
/// What a claim costs besides.
pub(super) const EACH: usize = 160;

#[derive(Debug)]
struct Kept {
    state: State,
    until: Instant,
}

#[derive(Debug)]
enum State {
    Running(u128),
    Settled(Bytes),
}

impl Kept {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn size(&self) -> usize {
        match &self.state {
            State::Running(_) => 0,
            State::Settled(answer) => answer.len(),
        }
    }
}

/// Claims by key.
#[derive(Debug, Default)]
pub(super) struct Claims {
    kept: DashMap<String, Kept>,
    bytes: AtomicUsize,
}

impl Claims {
    /// As [`Backend::claim`](super::Backend::claim).
    pub(super) fn claim(&self, claim: &Claim, lease: Duration) -> Result<Claimed, Error> {
        let mine = || Kept { state: State::Running(claim.token), until: Instant::now() + lease };
        match self.kept.entry(claim.key.clone()) {
            Entry::Occupied(mut kept) if kept.get().is_over() => {
                self.bytes.fetch_sub(kept.get().size(), Ordering::Relaxed);
                kept.insert(mine());
                Ok(Claimed::Yours)
            }
            Entry::Occupied(kept) => Ok(match &kept.get().state {
                State::Running(token) if *token == claim.token => Claimed::Yours,
                State::Running(_) => Claimed::Running,
                State::Settled(answer) => Claimed::Settled(answer.clone()),
            }),
            Entry::Vacant(free) => {
                self.take(claim.key.len() + EACH)?;
                free.insert(mine());
                Ok(Claimed::Yours)
            }
        }
    }

    /// As [`Backend::settle`](super::Backend::settle).
    pub(super) fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, Error> {
        let Entry::Occupied(mut kept) = self.kept.entry(claim.key.clone()) else { return Ok(false) };
        if kept.get().is_over() {
            return Ok(false);
        }
        match &kept.get().state {
            State::Running(token) if *token == claim.token => {}
            State::Running(_) => return Ok(false),
            State::Settled(answer) => {
                return Ok(matches!(settlement, Settlement::Done(again, _) if again == *answer));
            }
        }
        match settlement {
            Settlement::Done(answer, time) => {
                self.take(answer.len())?;
                kept.insert(Kept { state: State::Settled(answer), until: Instant::now() + time });
            }
            Settlement::Abandoned => {
                kept.remove();
                self.bytes.fetch_sub(claim.key.len() + EACH, Ordering::Relaxed);
            }
        }
        Ok(true)
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        let fits = |kept: usize| kept.checked_add(bytes).filter(|kept| *kept <= MAX_KEPT_BYTES);
        let taken = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map(drop).map_err(|_| Error::backend("Too many answers are kept now."))
    }

    /// Forgets what is over.
    pub(super) fn sweep(&self) {
        self.kept.retain(|key, kept| {
            let is_over = kept.is_over();
            if is_over {
                self.bytes.fetch_sub(key.len() + EACH + kept.size(), Ordering::Relaxed);
            }
            !is_over
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    fn done(bytes: usize) -> Settlement {
        Settlement::Done(Bytes::from(vec![0; bytes]), LEASE)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded_and_refused_rather_than_forgotten() {
        let claims = Claims::default();
        let mut kept = 0;
        let refused = loop {
            let claim = Claim::new(format!("{kept}"));
            if let Err(error) = claims.claim(&claim, LEASE).and_then(|_| claims.settle(&claim, done(1 << 20))) {
                break error;
            }
            kept += 1;
        };
        assert_eq!((refused.code().as_str(), refused.is_retryable()), ("BACKEND_ERROR", true));
        assert!((60..64).contains(&kept), "{kept} of 1 MiB each");
        assert!(matches!(claims.claim(&Claim::new("0"), LEASE).unwrap(), Claimed::Settled(_)));
        // What is over makes room.
        tokio::time::advance(LEASE).await;
        claims.sweep();
        assert_eq!((claims.kept.len(), claims.bytes.load(Ordering::Relaxed)), (0, 0));
        assert_eq!(claims.claim(&Claim::new("0"), LEASE).unwrap(), Claimed::Yours);
    }

    #[tokio::test(start_paused = true)]
    async fn the_books_are_right_whatever_becomes_of_a_claim() {
        let claims = Claims::default();
        for round in 0..3 {
            let [one, two] = ["one", "two"].map(Claim::new);
            claims.claim(&one, LEASE).unwrap();
            claims.settle(&one, done(100)).unwrap();
            claims.claim(&two, LEASE).unwrap();
            claims.settle(&two, Settlement::Abandoned).unwrap();
            assert_eq!(claims.bytes.load(Ordering::Relaxed), 3 + EACH + 100, "{round}");
            tokio::time::advance(LEASE).await;
        }
        claims.sweep();
        assert_eq!(claims.bytes.load(Ordering::Relaxed), 0);
    }
}
