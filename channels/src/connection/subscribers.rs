//! The local members of one topic.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use super::{Connection, Encoded};
use crate::id::ConnectionId;

/// Members in no particular order.
///
/// The one lock keeps two things: who is a member, and that every message reaches all members
/// before the next one does. That is the total order of a topic. Pushing into an outbox never waits,
/// so the lock is never held across an await.
#[derive(Default)]
pub(crate) struct Subscribers {
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    by_id: IndexMap<ConnectionId, Connection>,
    /// The topic has left the map; whoever still holds it must look again.
    gone: bool,
}

impl Members {
    fn remove(&mut self, connection: ConnectionId) -> bool {
        self.by_id.swap_remove(&connection);
        // A group that was large and is small gives its memory back.
        if self.by_id.capacity() > 64 && self.by_id.len() * 4 < self.by_id.capacity() {
            self.by_id.shrink_to_fit();
        }
        self.by_id.is_empty()
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
        match members.by_id.insert(connection.id(), connection.clone()) {
            None => Inserted::New,
            Some(_) => Inserted::Already,
        }
    }

    /// Removes a member; whether the topic is empty now.
    pub(super) fn remove_member(&self, connection: ConnectionId) -> bool {
        self.lock().remove(connection)
    }

    /// Removes a member of a topic that exists only while it has one; whether it is gone now.
    pub(super) fn remove(&self, connection: ConnectionId) -> bool {
        let mut members = self.lock();
        members.gone |= members.remove(connection);
        members.gone
    }

    /// Gives a message to every member but one; how many took it.
    pub(super) fn deliver(&self, message: &mut Encoded<'_>, except: Option<ConnectionId>) -> usize {
        let members = self.lock();
        let others = members.by_id.values().filter(|connection| Some(connection.id()) != except);
        others.filter(|connection| connection.deliver(message)).count()
    }

    /// How many there are besides one.
    pub(super) fn len_without(&self, except: Option<ConnectionId>) -> usize {
        let members = self.lock();
        members.by_id.len() - usize::from(except.is_some_and(|id| members.by_id.contains_key(&id)))
    }

    pub(super) fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.lock().by_id.values().cloned().collect()
    }
}
