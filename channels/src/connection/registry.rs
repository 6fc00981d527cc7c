//! Every connection of this server, by id, by user and by group.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::{DashMap, DashSet};
use futures_util::{StreamExt, stream};

use super::encoded::Ready;
use super::member::Member;
use super::outcome::Outcome;
use super::subscribers::{Inserted, Subscribers};
use super::{Connection, Encoded, cork, ended};
use crate::backend::{Envelope, Topic};
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
    connections: DashSet<Member>,
    users: DashMap<UserId, Arc<Subscribers>>,
    groups: DashMap<Arc<str>, Arc<Subscribers>>,
    everybody: Arc<Subscribers>,
    connection_count: AtomicUsize,
    user_count: AtomicUsize,
    group_count: AtomicUsize,
}

/// Why a group cannot be joined.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// As many groups exist as may.
    ForGroups,
    /// The connection is in as many as it may.
    OfConnection,
}

/// How many groups there may be, in all and for one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) groups: usize,
    pub(crate) of_connection: usize,
}

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
        self.connections.get(&id).map(|member| member.0.clone())
    }

    /// A user's connections on this server.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// let ada = UserId::new("ada").unwrap();
    /// println!("{} windows", layer.registry().user_connections(&ada).len());
    /// # Ok(()) }
    /// ```
    pub fn user_connections(&self, user: &UserId) -> Vec<Connection> {
        self.user(user).map_or_else(Vec::new, |subscribers| subscribers.connections())
    }

    /// A group's members on this server.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// let users = layer.registry().group_connections("rust").into_iter().filter_map(|conn| conn.user().cloned());
    /// # Ok(()) }
    /// ```
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
        let ids: Vec<ConnectionId> = self.connections.iter().map(|member| member.0.id()).collect();
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
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// // Everybody who has been idle for an hour is closed, 16 at a time.
    /// layer.registry().for_each(16, async |conn| {
    ///     if conn.idle().as_secs() > 3600 {
    ///         conn.close("idle");
    ///     }
    /// }).await;
    /// # Ok(()) }
    /// ```
    pub async fn for_each<F>(&self, concurrency: usize, mut action: impl FnMut(Connection) -> F)
    where
        F: Future<Output = ()>,
    {
        for batch in self.batches(BATCH) {
            stream::iter(batch).for_each_concurrent(concurrency.max(1), &mut action).await;
            tokio::task::yield_now().await;
        }
    }

    /// At most so many connections, in no particular order.
    #[cfg(feature = "inspector")]
    pub(crate) fn first(&self, most: usize) -> Vec<Connection> {
        self.connections.iter().take(most).map(|member| member.0.clone()).collect()
    }

    /// At most so many groups, in no particular order, with the number of their members.
    #[cfg(feature = "inspector")]
    pub(crate) fn first_groups(&self, most: usize) -> Vec<(Arc<str>, usize)> {
        // A group is asked after the map is let go, since whoever joins takes both.
        let groups: Vec<_> =
            self.groups.iter().take(most).map(|entry| (Arc::clone(entry.key()), Arc::clone(&entry))).collect();
        groups.into_iter().map(|(name, members)| (name, members.len())).collect()
    }

    /// How many members a group has, and at most so many of them.
    #[cfg(feature = "inspector")]
    pub(crate) fn first_members(&self, group: &str, most: usize) -> (usize, Vec<Connection>) {
        self.group(group).map_or_else(Default::default, |members| members.first(most))
    }

    fn user(&self, user: &UserId) -> Option<Arc<Subscribers>> {
        self.users.get(user).map(|subscribers| Arc::clone(&subscribers))
    }

    fn group(&self, group: &str) -> Option<Arc<Subscribers>> {
        self.groups.get(group).map(|subscribers| Arc::clone(&subscribers))
    }

    /// Makes a connection known; `gone` as in [`ConnectionRegistry::remove`].
    pub(crate) fn insert(&self, connection: &Connection, gone: impl Fn(Topic<'_>)) {
        cork::settle();
        self.connections.insert(Member(connection.clone()));
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
                self.forget_user(user, &subscribers, &gone);
            }
        }
    }

    /// Takes a connection out of everything. `gone` is told each topic that has no member left, before
    /// anybody can join it again: a backend that unsubscribes there never leaves a new member deaf.
    /// `left` is told each group that it was a member of.
    pub(crate) fn remove(&self, connection: &Connection, gone: impl Fn(Topic<'_>), left: impl Fn(&str)) {
        cork::settle();
        let groups = connection.lock_groups().take().unwrap_or_default();
        for group in groups.iter() {
            self.remove_member(connection, group, &gone);
            left(group);
        }
        if let Some(user) = connection.user()
            && let Some(subscribers) = self.user(user)
            && subscribers.remove(connection.id())
        {
            self.forget_user(user, &subscribers, &gone);
        }
        self.everybody.remove_member(connection.id());
        if self.connections.remove(&connection.id()).is_some() {
            self.connection_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many members a topic has here.
    pub(crate) fn members(&self, topic: Topic<'_>) -> usize {
        match topic {
            Topic::Group(group) => self.group_len(group),
            Topic::User(user) => self.user(user).map_or(0, |subscribers| subscribers.len()),
            Topic::Connection(id) => usize::from(self.connections.contains(&id)),
            Topic::Broadcast => self.connection_count(),
        }
    }

    /// Makes a connection a member; whether it is a new one.
    pub(crate) fn join(
        &self,
        connection: &Connection,
        group: &str,
        room: Room,
        gone: impl Fn(Topic<'_>),
    ) -> Result<Result<bool, NoRoom>, Error> {
        cork::settle();
        // The connection's own lock is held over both: it is in its set exactly when it is in the group's.
        let mut own = connection.lock_groups();
        let own = own.as_mut().ok_or_else(ended)?;
        if own.contains(group) {
            return Ok(Ok(false));
        }
        if own.len() >= room.of_connection {
            return Ok(Err(NoRoom::OfConnection));
        }
        let name: Arc<str> = match self.groups.get(group) {
            Some(entry) => Arc::clone(entry.key()),
            None => Arc::from(group),
        };
        loop {
            let subscribers = match self.group_or_new(&name, room.groups) {
                Ok(subscribers) => subscribers,
                Err(no_room) => return Ok(Err(no_room)),
            };
            if !matches!(subscribers.insert(connection), Inserted::Gone) {
                own.insert(name);
                return Ok(Ok(true));
            }
            self.forget_group(&name, &subscribers, &gone);
        }
    }

    fn group_or_new(&self, name: &Arc<str>, max_groups: usize) -> Result<Arc<Subscribers>, NoRoom> {
        use dashmap::mapref::entry::Entry;
        match self.groups.entry(Arc::clone(name)) {
            Entry::Occupied(entry) => Ok(Arc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let one_more = |count: usize| (count < max_groups).then_some(count + 1);
                let counted = self.group_count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
                counted.map_err(|_| NoRoom::ForGroups)?;
                Ok(Arc::clone(&entry.insert(Arc::default())))
            }
        }
    }

    /// Takes a connection out of a group, and says whether it was in it; `gone` as in
    /// [`ConnectionRegistry::remove`].
    pub(crate) fn leave(&self, connection: &Connection, group: &str, gone: impl Fn(Topic<'_>)) -> bool {
        cork::settle();
        let mut own = connection.lock_groups();
        let Some(name) = own.as_mut().and_then(|own| own.remove(group)) else { return false };
        self.remove_member(connection, &name, &gone);
        true
    }

    fn remove_member(&self, connection: &Connection, group: &Arc<str>, gone: &impl Fn(Topic<'_>)) {
        if let Some(subscribers) = self.group(group)
            && subscribers.remove(connection.id())
        {
            self.forget_group(group, &subscribers, gone);
        }
    }

    /// Under the entry's lock, which whoever joins next needs too.
    fn forget_group(&self, name: &Arc<str>, empty: &Arc<Subscribers>, gone: &impl Fn(Topic<'_>)) {
        let removed = self.groups.remove_if(name, |name, subscribers| {
            let same = Arc::ptr_eq(subscribers, empty);
            if same {
                gone(Topic::Group(name));
            }
            same
        });
        if removed.is_some() {
            self.group_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn forget_user(&self, user: &UserId, empty: &Arc<Subscribers>, gone: &impl Fn(Topic<'_>)) {
        let removed = self.users.remove_if(user, |user, subscribers| {
            let same = Arc::ptr_eq(subscribers, empty);
            if same {
                gone(Topic::User(user));
            }
            same
        });
        if removed.is_some() {
            self.user_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Gives a message to a topic's local members; what became of it, or will.
    pub(crate) fn deliver(&self, topic: Topic<'_>, envelope: &Envelope) -> Outcome {
        let except = envelope.except;
        let (members, group) = match topic {
            Topic::Group(group) => match self.groups.get(group) {
                Some(entry) => (Some(Arc::clone(entry.value())), Some(Arc::clone(entry.key()))),
                None => (None, None),
            },
            Topic::User(user) => (self.user(user), None),
            Topic::Broadcast => (Some(Arc::clone(&self.everybody)), None),
            Topic::Connection(id) => {
                cork::settle();
                let connection = self.get(id).filter(|_| Some(id) != except);
                let deliver =
                    |connection: Connection| connection.deliver(&mut Encoded::one(&Ready::new(topic, envelope)));
                return connection.into_iter().map(deliver).collect();
            }
        };
        let deliver = |members| cork::deliver(members, group, Ready::new(topic, envelope), except);
        members.map_or_else(Outcome::default, deliver)
    }
}

/// How many connections are acted on before others get a turn.
const BATCH: usize = 256;
