//! Joins of one group by one connection, one after the other: the next finds a member, or nothing, never a join half-way
//! that may yet be undone.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::id::ConnectionId;

type Key = (ConnectionId, Arc<str>);

/// Who is at it. There is something in it only while somebody joins.
#[derive(Default)]
pub(super) struct Turns(DashMap<Key, Arc<Mutex<()>>>);

impl Turns {
    /// Waits until no other join of this group by this connection is under way. Dropped while it waits, it waits no more.
    pub(super) async fn take(&self, id: ConnectionId, group: &str) -> Turn<'_> {
        // Made before the lock is asked for, so that whoever goes leaves nothing behind.
        let mut turn = Turn { turns: self, key: (id, Arc::from(group)), held: None };
        let lock = Arc::clone(&self.0.entry(turn.key.clone()).or_default());
        turn.held = Some(lock.lock_owned().await);
        turn
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

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        // Whoever waits has a reference of its own, which it took under the lock that is held here.
        self.turns.0.remove_if(&self.key, |_, lock| Arc::strong_count(lock) == 1);
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
}
