//! Every connection of this server, by id, by user and by group.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use futures_util::{StreamExt, stream};

use super::subscribers::{Inserted, Subscribers};
use super::{Connection, Encoded, ended};
use crate::backend::Topic;
use crate::error::Error;
use crate::id::{ConnectionId, UserId};

/// The connections of one server.
///
/// Counts are kept, not counted: they cost the same with ten connections and with a million.
///
/// ```
/// # use channels::ChannelLayer;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let layer = ChannelLayer::memory();
/// for batch in layer.registry().batches(500) {
///     for connection in batch {
///         println!("{} is idle for {:?}", connection.id(), connection.idle());
///     }
/// }
/// # }
/// ```
#[derive(Default)]
pub struct ConnectionRegistry {
    connections: DashMap<ConnectionId, Connection>,
    users: DashMap<UserId, Arc<Subscribers>>,
    groups: DashMap<Arc<str>, Arc<Subscribers>>,
    everybody: Subscribers,
    connection_count: AtomicUsize,
    user_count: AtomicUsize,
    group_count: AtomicUsize,
}

/// As many groups exist as may.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl ConnectionRegistry {
    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.connection_count.load(Ordering::Relaxed)
    }

    /// How many users have a connection here.
    pub fn user_count(&self) -> usize {
        self.user_count.load(Ordering::Relaxed)
    }

    /// How many groups have a member here.
    pub fn group_count(&self) -> usize {
        self.group_count.load(Ordering::Relaxed)
    }

    /// A connection by its id.
    pub fn get(&self, id: ConnectionId) -> Option<Connection> {
        self.connections.get(&id).map(|connection| connection.clone())
    }

    /// A user's connections on this server.
    pub fn user_connections(&self, user: &UserId) -> Vec<Connection> {
        self.user(user).map_or_else(Vec::new, |subscribers| subscribers.connections())
    }

    /// A group's members on this server.
    pub fn group_connections(&self, group: &str) -> Vec<Connection> {
        self.group(group).map_or_else(Vec::new, |subscribers| subscribers.connections())
    }

    /// How many members a group has on this server.
    pub fn group_len(&self, group: &str) -> usize {
        self.group(group).map_or(0, |subscribers| subscribers.len())
    }

    /// The groups that have a member here, in no particular order.
    pub fn groups(&self) -> Vec<String> {
        self.groups.iter().map(|entry| String::from(&**entry.key())).collect()
    }

    /// All connections, `size` at a time (at least one). Whoever connects meanwhile may be missing, whoever left
    /// meanwhile is left out; nothing is locked between two batches.
    pub fn batches(&self, size: usize) -> impl Iterator<Item = Vec<Connection>> + '_ {
        let ids: Vec<ConnectionId> = self.connections.iter().map(|entry| *entry.key()).collect();
        let mut ids = ids.into_iter();
        std::iter::from_fn(move || {
            let batch: Vec<ConnectionId> = ids.by_ref().take(size.max(1)).collect();
            (!batch.is_empty()).then(|| batch.into_iter().filter_map(|id| self.get(id)).collect())
        })
    }

    /// Does something with every connection, at most `concurrency` (at least one) at a time, and yields between.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it stops: some connections were acted on and others not.
    pub async fn for_each<F>(&self, concurrency: usize, mut action: impl FnMut(Connection) -> F)
    where
        F: Future<Output = ()>,
    {
        for batch in self.batches(BATCH) {
            stream::iter(batch).for_each_concurrent(concurrency.max(1), &mut action).await;
            tokio::task::yield_now().await;
        }
    }

    fn user(&self, user: &UserId) -> Option<Arc<Subscribers>> {
        self.users.get(user).map(|subscribers| Arc::clone(&subscribers))
    }

    fn group(&self, group: &str) -> Option<Arc<Subscribers>> {
        self.groups.get(group).map(|subscribers| Arc::clone(&subscribers))
    }

    pub(crate) fn insert(&self, connection: &Connection) {
        self.connections.insert(connection.id(), connection.clone());
        self.connection_count.fetch_add(1, Ordering::Relaxed);
        self.everybody.insert(connection);
        if let Some(user) = connection.user() {
            let make = || {
                self.user_count.fetch_add(1, Ordering::Relaxed);
                Arc::default()
            };
            loop {
                let subscribers = Arc::clone(&self.users.entry(user.clone()).or_insert_with(make));
                if !matches!(subscribers.insert(connection), Inserted::Gone) {
                    break;
                }
                self.forget_user(user, &subscribers);
            }
        }
    }

    /// Takes a connection out of everything, and names the groups that have no member left. The
    /// second value says whether its user has none left.
    pub(crate) fn remove(&self, connection: &Connection) -> (Vec<Arc<str>>, bool) {
        let groups = connection.lock_groups().take().unwrap_or_default();
        let emptied = groups.into_iter().filter(|group| self.remove_member(connection, group)).collect();
        let mut user_gone = false;
        if let Some(user) = connection.user()
            && let Some(subscribers) = self.user(user)
            && subscribers.remove(connection.id())
        {
            user_gone = self.forget_user(user, &subscribers);
        }
        self.everybody.remove_member(connection.id());
        if self.connections.remove(&connection.id()).is_some() {
            self.connection_count.fetch_sub(1, Ordering::Relaxed);
        }
        (emptied, user_gone)
    }

    /// Makes a connection a member; whether it is a new one.
    pub(crate) fn join(
        &self,
        connection: &Connection,
        group: &str,
        max_groups: usize,
    ) -> Result<Result<bool, NoRoom>, Error> {
        // The connection's own lock is held over both: it is in its set exactly when it is in the group's.
        let mut own = connection.lock_groups();
        let own = own.as_mut().ok_or_else(ended)?;
        if own.contains(group) {
            return Ok(Ok(false));
        }
        let name: Arc<str> = match self.groups.get(group) {
            Some(entry) => Arc::clone(entry.key()),
            None => Arc::from(group),
        };
        loop {
            let Ok(subscribers) = self.group_or_new(&name, max_groups) else { return Ok(Err(NoRoom)) };
            if !matches!(subscribers.insert(connection), Inserted::Gone) {
                own.insert(name);
                return Ok(Ok(true));
            }
            self.forget_group(&name, &subscribers);
        }
    }

    fn group_or_new(&self, name: &Arc<str>, max_groups: usize) -> Result<Arc<Subscribers>, NoRoom> {
        use dashmap::mapref::entry::Entry;
        match self.groups.entry(Arc::clone(name)) {
            Entry::Occupied(entry) => Ok(Arc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let one_more = |count: usize| (count < max_groups).then_some(count + 1);
                let counted = self.group_count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
                counted.map_err(|_| NoRoom)?;
                Ok(Arc::clone(&entry.insert(Arc::default())))
            }
        }
    }

    /// Takes a connection out of a group: whether it was in it, and whether the group is gone.
    pub(crate) fn leave(&self, connection: &Connection, group: &str) -> (bool, bool) {
        let mut own = connection.lock_groups();
        let Some(name) = own.as_mut().and_then(|own| own.take(group)) else { return (false, false) };
        (true, self.remove_member(connection, &name))
    }

    fn remove_member(&self, connection: &Connection, group: &Arc<str>) -> bool {
        self.group(group).is_some_and(|subscribers| {
            subscribers.remove(connection.id()) && self.forget_group(group, &subscribers)
        })
    }

    fn forget_group(&self, name: &Arc<str>, gone: &Arc<Subscribers>) -> bool {
        let removed = self.groups.remove_if(name, |_, subscribers| Arc::ptr_eq(subscribers, gone)).is_some();
        if removed {
            self.group_count.fetch_sub(1, Ordering::Relaxed);
        }
        removed
    }

    fn forget_user(&self, user: &UserId, gone: &Arc<Subscribers>) -> bool {
        let removed = self.users.remove_if(user, |_, subscribers| Arc::ptr_eq(subscribers, gone)).is_some();
        if removed {
            self.user_count.fetch_sub(1, Ordering::Relaxed);
        }
        removed
    }

    /// Gives a message to a topic's local members; how many took it.
    pub(crate) fn deliver(&self, topic: Topic<'_>, message: &mut Encoded<'_>, except: Option<ConnectionId>) -> usize {
        match topic {
            Topic::Group(group) => self.group(group).map_or(0, |members| members.deliver(message, except)),
            Topic::User(user) => self.user(user).map_or(0, |members| members.deliver(message, except)),
            Topic::Broadcast => self.everybody.deliver(message, except),
            Topic::Connection(id) if Some(id) == except => 0,
            Topic::Connection(id) => self.get(id).map_or(0, |connection| usize::from(connection.deliver(message))),
        }
    }
}

/// How many connections are acted on before others get a turn.
const BATCH: usize = 256;
