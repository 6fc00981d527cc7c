//! What each user may have remembered on this server, whichever backend keeps it, so that no client takes the room of all.

use std::collections::BTreeMap;
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::Claim;
use super::claims::{EACH, MAX_KEPT_BYTES};
use crate::id::{ConnectionId, UserId};

/// What one user, or one connection that is nobody's, may have remembered, in bytes.
pub(crate) const SHARE: usize = MAX_KEPT_BYTES / 16;
/// What all connections that are nobody's may together: such a client has a new share with each connection.
const SHARE_OF_NOBODY: usize = MAX_KEPT_BYTES / 4;

/// Who has something remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    User(UserId),
    /// One that is nobody's.
    Connection(ConnectionId),
    /// All of these together.
    Nobody,
}

impl Owner {
    fn share(&self) -> usize {
        match self {
            Self::User(_) | Self::Connection(_) => SHARE,
            Self::Nobody => SHARE_OF_NOBODY,
        }
    }

    /// What is an owner's is also somebody else's.
    fn also(&self) -> Option<Self> {
        matches!(self, Self::Connection(_)).then_some(Self::Nobody)
    }
}

/// What an owner has: bytes by when they are free again, and by the token of their claim.
#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    until: BTreeMap<(Instant, u128), usize>,
}

impl Held {
    fn forget(&mut self) {
        let now = Instant::now();
        while let Some(first) = self.until.first_entry().filter(|first| first.key().0 <= now) {
            self.bytes -= first.remove();
        }
    }
}

/// Bytes by owner.
#[derive(Debug, Default)]
pub(crate) struct Shares(DashMap<Owner, Held>);

impl Shares {
    /// Takes room for a claim until then.
    ///
    /// # Errors
    ///
    /// How long it takes until there is some room again.
    pub(crate) fn claim(&self, owner: &Owner, claim: &Claim, until: Instant) -> Result<(), Duration> {
        self.take(owner, claim, until, claim.key.len() + EACH)
    }

    /// As [`claim`](Self::claim), for so many bytes of its answer.
    pub(crate) fn take(&self, owner: &Owner, claim: &Claim, until: Instant, bytes: usize) -> Result<(), Duration> {
        {
            let mut held = self.0.entry(owner.clone()).or_default();
            held.forget();
            if held.bytes + bytes > owner.share() {
                let free_at = held.until.first_key_value().map_or(until, |((free_at, _), _)| *free_at);
                return Err(free_at.saturating_duration_since(Instant::now()));
            }
            held.bytes += bytes;
            *held.until.entry((until, claim.token)).or_default() += bytes;
        }
        let Some(also) = owner.also() else { return Ok(()) };
        self.take(&also, claim, until, bytes).inspect_err(|_| self.give(owner, claim, until))
    }

    /// Gives back what a claim took until then.
    pub(crate) fn give_back(&self, owner: &Owner, claim: &Claim, until: Instant) {
        self.give(owner, claim, until);
        if let Some(also) = owner.also() {
            self.give(&also, claim, until);
        }
    }

    fn give(&self, owner: &Owner, claim: &Claim, until: Instant) {
        if let Some(mut held) = self.0.get_mut(owner)
            && let Some(bytes) = held.until.remove(&(until, claim.token))
        {
            held.bytes -= bytes;
        }
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self) {
        self.0.retain(|_, held| {
            held.forget();
            !held.until.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    fn owner(user: &str) -> Owner {
        Owner::User(UserId::new(user).unwrap())
    }

    /// How many claims fit.
    fn fill(shares: &Shares, owner: &Owner) -> usize {
        let until = Instant::now() + TIME;
        (0..).take_while(|n| shares.claim(owner, &Claim::new(format!("{n:06}")), until).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_share_is_its_owners_alone_and_is_free_again() {
        let (shares, ada) = (Shares::default(), owner("ada"));
        assert_eq!(fill(&shares, &ada), SHARE / (6 + EACH));
        let claim = Claim::new("x".repeat(200));
        tokio::time::advance(TIME / 3).await;
        let until = Instant::now() + TIME;
        assert_eq!(shares.claim(&ada, &claim, until), Err(TIME - TIME / 3));
        assert_eq!(shares.claim(&owner("bob"), &claim, until), Ok(()));
        tokio::time::advance(TIME - TIME / 3).await;
        assert_eq!(shares.claim(&ada, &claim, until), Ok(()));
        shares.give_back(&ada, &claim, until);
        shares.sweep();
        assert_eq!(shares.0.len(), 1, "bob's");
        tokio::time::advance(TIME).await;
        shares.sweep();
        assert!(shares.0.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobodys_connections_share_a_part_and_leave_the_users_theirs() {
        let shares = Shares::default();
        let full: Vec<_> =
            (0..6).map(|number| fill(&shares, &Owner::Connection(ConnectionId::new(1, number)))).collect();
        let each = SHARE / (6 + EACH);
        assert!(full[..4].iter().all(|claims| *claims == each) && full[5] == 0, "{full:?} of {each}");
        // Who was refused for the others holds nothing.
        assert_eq!(shares.0.get(&Owner::Connection(ConnectionId::new(1, 5))).unwrap().bytes, 0);
        assert_eq!(fill(&shares, &owner("ada")), each);
    }
}
