//! The local members of one topic.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::Equivalent;

use super::small_set::SmallSet;
use super::{Connection, Encoded};
use crate::id::ConnectionId;

/// Members in no particular order.
///
/// The one lock keeps two things: who is a member, and that every message reaches the outboxes of all members
/// before the next one does. That is the total order of a topic. Pushing into an outbox never waits,
/// so the lock is never held across an await, nor across a write.
#[derive(Default)]
pub(crate) struct Subscribers {
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    all: SmallSet<Member>,
    /// The topic has left the map; whoever still holds it must look again.
    gone: bool,
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

    pub(super) fn insert(&self, connection: &Connection) -> Inserted {
        let mut members = self.lock();
        if members.gone {
            return Inserted::Gone;
        }
        if members.all.insert(Member(connection.clone())) { Inserted::New } else { Inserted::Already }
    }

    /// Removes a member of a topic that is always there.
    pub(super) fn remove_member(&self, connection: ConnectionId) {
        self.lock().all.remove(&connection);
    }

    /// Removes a member of a topic that exists only while it has one; whether it is gone now.
    pub(super) fn remove(&self, connection: ConnectionId) -> bool {
        let mut members = self.lock();
        members.all.remove(&connection);
        members.gone |= members.all.is_empty();
        members.gone
    }

    /// Gives a message to every member but one; how many took it.
    pub(super) fn deliver(&self, message: &mut Encoded<'_>, except: Option<ConnectionId>) -> usize {
        let members = self.lock();
        let others = members.all.iter().filter(|member| Some(member.0.id()) != except);
        others.filter(|member| member.0.deliver(message)).count()
    }

    /// How many there are besides one.
    pub(super) fn len_without(&self, except: Option<ConnectionId>) -> usize {
        let members = self.lock();
        members.all.len() - usize::from(except.is_some_and(|id| members.all.contains(&id)))
    }

    pub(super) fn len(&self) -> usize {
        self.lock().all.len()
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.lock().all.iter().map(|member| member.0.clone()).collect()
    }
}
