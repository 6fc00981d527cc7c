//! The local members of one topic.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use indexmap::Equivalent;

use super::run::Run;
use super::small_set::SmallSet;
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
}

impl Members {
    fn give_out(&mut self) {
        if let Some(mut run) = self.held.take() {
            self.push(&mut run.message(), run.except);
            run.end();
            cork::keep(run);
        }
    }

    fn push(&self, message: &mut Encoded<'_>, except: Option<ConnectionId>) -> usize {
        let others = self.all.iter().filter(|member| Some(member.0.id()) != except);
        others.filter(|member| member.0.deliver(message)).count()
    }

    fn len_without(&self, except: Option<ConnectionId>) -> usize {
        self.all.len() - usize::from(except.is_some_and(|id| self.all.contains(&id)))
    }

    fn insert(&mut self, connection: &Connection) -> Inserted {
        if self.gone {
            return Inserted::Gone;
        }
        if self.all.insert(Member(connection.clone())) { Inserted::New } else { Inserted::Already }
    }
}

/// A connection, found by its id.
struct Member(Connection);

impl Hash for Member {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for Member {}

impl Equivalent<Member> for ConnectionId {
    fn equivalent(&self, member: &Member) -> bool {
        *self == member.0.id()
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
        self.change(|members| members.all.remove(&connection));
    }

    /// Removes a member of a topic that exists only while it has one; whether it is gone now.
    pub(super) fn remove(&self, connection: ConnectionId) -> bool {
        self.change(|members| {
            members.all.remove(&connection);
            members.gone |= members.all.is_empty();
            members.gone
        })
    }

    /// Gives a message to every member but one; how many took it.
    pub(super) fn deliver(&self, message: &mut Encoded<'_>, except: Option<ConnectionId>) -> usize {
        let mut members = self.lock();
        members.give_out();
        members.push(message, except)
    }

    /// Keeps a message until [`Subscribers::give_out`], which the caller sees to; how many it is for.
    pub(super) fn hold(&self, group: Option<Arc<str>>, json: &ByteString, except: Option<ConnectionId>) -> usize {
        let mut members = self.lock();
        let joined = members.held.as_mut().is_some_and(|run| run.add(json, except));
        if !joined {
            members.give_out();
            members.held.insert(cork::spare_run()).begin(group, json, except);
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
}
