//! The local members of one topic.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use indexmap::IndexMap;

use super::run::Run;
use super::{Connection, Encoded, cork};
use crate::id::ConnectionId;

/// Members in no particular order.
///
/// The one lock keeps two things: who is a member, and that every message reaches all members
/// before the next one does. That is the total order of a topic. Pushing into an outbox never waits,
/// so the lock is never held across an await.
///
/// What a burst sends is held here until the burst ends: its place in the order is that of the send, since
/// whoever pushes, joins or leaves gives it out first.
#[derive(Default)]
pub(crate) struct Subscribers {
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    by_id: IndexMap<ConnectionId, Connection>,
    /// The topic has left the map; whoever still holds it must look again.
    gone: bool,
    /// Sends of bursts that have not ended.
    held: Option<Box<Run>>,
}

impl Members {
    fn give_out(&mut self) {
        if let Some(run) = self.held.take() {
            self.push(&mut run.message(), run.except);
        }
    }

    fn push(&self, message: &mut Encoded<'_>, except: Option<ConnectionId>) -> usize {
        let others = self.by_id.values().filter(|connection| Some(connection.id()) != except);
        others.filter(|connection| connection.deliver(message)).count()
    }

    fn len_without(&self, except: Option<ConnectionId>) -> usize {
        self.by_id.len() - usize::from(except.is_some_and(|id| self.by_id.contains_key(&id)))
    }

    fn insert(&mut self, connection: &Connection) -> Inserted {
        if self.gone {
            return Inserted::Gone;
        }
        match self.by_id.insert(connection.id(), connection.clone()) {
            None => Inserted::New,
            Some(_) => Inserted::Already,
        }
    }

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

    /// Removes a member; whether the topic is empty now.
    pub(super) fn remove_member(&self, connection: ConnectionId) -> bool {
        self.change(|members| members.remove(connection))
    }

    /// Removes a member of a topic that exists only while it has one; whether it is gone now.
    pub(super) fn remove(&self, connection: ConnectionId) -> bool {
        self.change(|members| {
            members.gone |= members.remove(connection);
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
    pub(super) fn hold(&self, group: Option<&str>, json: &ByteString, except: Option<ConnectionId>) -> usize {
        let mut members = self.lock();
        let joined = members.held.as_mut().is_some_and(|run| run.add(json, except));
        if !joined {
            members.give_out();
            members.held = Some(Box::new(Run::new(group, json, except)));
        }
        members.len_without(except)
    }

    /// Gives out what is held.
    pub(super) fn give_out(&self) {
        self.lock().give_out();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.lock().by_id.values().cloned().collect()
    }
}
