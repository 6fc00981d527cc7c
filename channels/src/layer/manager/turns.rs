//! Joins of one group by one connection, one after the other: the next finds a member, or nothing, never a join half-way
//! that may yet be undone.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::id::ConnectionId;

type Key = (ConnectionId, Arc<str>);

/// Who is at it. There is something in it only while somebody joins.
#[derive(Default)]
pub(super) struct Turns(DashMap<Key, Place>);

#[derive(Default)]
struct Place {
    lock: Arc<Mutex<()>>,
    /// A recheck has ended what the one whose turn it is has begun, or is about to.
    is_revoked: bool,
}

impl Turns {
    /// Waits until no other join of this group by this connection is under way. Dropped while it waits, it waits no more.
    pub(super) async fn take(&self, id: ConnectionId, group: &str) -> Turn<'_> {
        // Made before the lock is asked for, so that whoever goes leaves nothing behind.
        let mut turn = Turn { turns: self, key: (id, Arc::from(group)), held: None };
        let lock = Arc::clone(&self.0.entry(turn.key.clone()).or_default().lock);
        turn.held = Some(lock.lock_owned().await);
        // What befell the one before is nothing to this one.
        if let Some(mut place) = self.0.get_mut(&turn.key) {
            place.is_revoked = false;
        }
        turn
    }

    /// A recheck ends this membership: who is about to join learns of it.
    pub(super) fn revoke(&self, id: ConnectionId, group: &str) {
        if let Some(mut place) = self.0.get_mut(&(id, Arc::from(group))) {
            place.is_revoked = true;
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Dropped, it is the next one's turn.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    key: Key,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turn<'_> {
    /// Whether a recheck has ended the membership since the turn began.
    pub(super) fn is_revoked(&self) -> bool {
        self.turns.0.get(&self.key).is_some_and(|place| place.is_revoked)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        // Whoever waits has a reference of its own, which it took under the lock that is held here.
        self.turns.0.remove_if(&self.key, |_, place| Arc::strong_count(&place.lock) == 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_waits_for_the_other_and_nothing_stays() {
        let turns = Turns::default();
        let [ada, bob] = [1, 2].map(|number| ConnectionId::new(1, number));
        let first = turns.take(ada, "room").await;
        let others = [turns.take(ada, "hall").await, turns.take(bob, "room").await];
        let mut second = Box::pin(turns.take(ada, "room"));
        let mut third = Box::pin(turns.take(ada, "room"));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);
        let last = third.now_or_never().expect("nobody is before it any more");
        assert_eq!(turns.len(), 3);
        drop((last, others));
        assert_eq!(turns.len(), 0);
    }

    #[tokio::test]
    async fn what_a_recheck_ends_is_told_to_whose_turn_it_is_and_to_nobody_else() {
        let turns = Turns::default();
        let [ada, bob] = [1, 2].map(|number| ConnectionId::new(1, number));
        turns.revoke(ada, "room");
        assert_eq!(turns.len(), 0, "nobody joins");
        let first = turns.take(ada, "room").await;
        let others = [turns.take(ada, "hall").await, turns.take(bob, "room").await];
        let mut next = Box::pin(turns.take(ada, "room"));
        assert!(next.as_mut().now_or_never().is_none() && !first.is_revoked());
        turns.revoke(ada, "room");
        assert!(first.is_revoked() && others.iter().all(|other| !other.is_revoked()));
        drop(first);
        assert!(!next.await.is_revoked());
    }
}
