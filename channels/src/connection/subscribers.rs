//! The local members of one topic.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::encoded::Ready;
use super::member::Member;
use super::outcome::Outcome;
use super::run::Run;
use super::small_set::SmallSet;
use super::variants::Variants;
use super::{Connection, Encoded, cork};
use crate::id::ConnectionId;

/// Members in no particular order.
///
/// The one lock keeps two things: who is a member, and that every message reaches the outboxes of all members
/// before the next one does. That is the total order of a topic. Pushing into an outbox never waits,
/// so the lock is never held across an await; and across a write only where an outbox is full because its
/// writer is late.
///
/// What a burst sends is held here until the burst ends: its place in the order is that of the send, since
/// whoever pushes, joins or leaves gives it out first.
#[derive(Default)]
pub(crate) struct Subscribers {
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    all: SmallSet<Member>,
    /// The topic has left the map; whoever still holds it must look again.
    gone: bool,
    /// Sends of bursts that have not ended.
    held: Option<Box<Run>>,
    variants: Variants,
}

impl Members {
    fn give_out(&mut self) {
        if let Some(mut run) = self.held.take() {
            self.push(&mut run.message(), run.except);
            run.end();
            cork::keep(run);
        }
    }

    fn push(&self, message: &mut Encoded<'_>, except: Option<ConnectionId>) -> Outcome {
        let others = self.all.iter().filter(|member| Some(member.0.id()) != except);
        others.map(|member| member.0.deliver(message)).collect()
    }

    fn len_without(&self, except: Option<ConnectionId>) -> usize {
        self.all.len() - usize::from(except.is_some_and(|id| self.all.contains(&id)))
    }

    fn insert(&mut self, connection: &Connection) -> Inserted {
        if self.gone {
            return Inserted::Gone;
        }
        if !self.all.insert(Member(connection.clone())) {
            return Inserted::Already;
        }
        self.variants.add(&connection.0.link);
        Inserted::New
    }

    fn remove(&mut self, connection: ConnectionId) {
        if let Some(Member(connection)) = self.all.remove(&connection) {
            self.variants.remove(connection.link());
        }
    }
}

/// What an insertion came to.
pub(super) enum Inserted {
    New,
    Already,
    Gone,
}

impl Subscribers {
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, when all is made of a message that its members need. Compressing takes as long as a message is large, so
    /// nobody is kept waiting for it; who joins meanwhile with a variant of its own makes it begin again.
    fn lock_for(&self, message: &mut Ready) -> MutexGuard<'_, Members> {
        loop {
            let members = self.lock();
            let missing = members.variants.missing(message);
            if missing.is_empty() {
                return members;
            }
            drop(members);
            message.make(&missing);
        }
    }

    /// Changes who is a member, after what was sent before. Whoever is due to be written to is written to after
    /// the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Members) -> T) -> T {
        cork::gathered(|| {
            let mut members = self.lock();
            members.give_out();
            change(&mut members)
        })
    }

    pub(super) fn insert(&self, connection: &Connection) -> Inserted {
        self.change(|members| members.insert(connection))
    }

    /// Removes a member of a topic that is always there.
    pub(super) fn remove_member(&self, connection: ConnectionId) {
        self.change(|members| members.remove(connection));
    }

    /// Removes a member of a topic that exists only while it has one; whether it is gone now.
    pub(super) fn remove(&self, connection: ConnectionId) -> bool {
        self.change(|members| {
            members.remove(connection);
            members.gone |= members.all.is_empty();
            members.gone
        })
    }

    /// Gives a message to every member but one.
    pub(super) fn deliver(&self, group: Option<&str>, mut message: Ready, except: Option<ConnectionId>) -> Outcome {
        let mut members = self.lock_for(&mut message);
        members.give_out();
        members.push(&mut Encoded::several(std::slice::from_ref(&message), group), except)
    }

    /// Keeps a message until [`Subscribers::give_out`], which the caller sees to; how many it is for.
    pub(super) fn hold(&self, group: Option<Arc<str>>, mut message: Ready, except: Option<ConnectionId>) -> usize {
        let mut members = self.lock_for(&mut message);
        let left = match &mut members.held {
            Some(run) => run.add(message, except),
            None => Err(message),
        };
        if let Err(message) = left {
            members.give_out();
            members.held.insert(cork::spare_run()).begin(group, message, except);
        }
        members.len_without(except)
    }

    /// Gives out what is held.
    pub(super) fn give_out(&self) {
        self.lock().give_out();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().all.len()
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.lock().all.iter().map(|member| member.0.clone()).collect()
    }

    /// How many there are, and at most so many of them.
    #[cfg(feature = "inspector")]
    pub(super) fn first(&self, most: usize) -> (usize, Vec<Connection>) {
        let members = self.lock();
        (members.all.len(), members.all.iter().take(most).map(|member| member.0.clone()).collect())
    }
}
