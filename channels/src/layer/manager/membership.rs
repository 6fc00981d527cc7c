//! Who is in which group: the one way in, and every way out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::ConnectionManager;
use super::turns::Turn;
use crate::backend::{Backend, Topic};
use crate::config::LimitName;
use crate::connection::{Connection, ConnectionState, Memberships, NoRoom, Room};
use crate::error::Error;
use crate::layer::naming::check_group;
use crate::layer::retry::retry;

/// How long a join, or a new connection of a user, waits until the backend hears what is sent there.
pub const LIVE_WITHIN: Duration = Duration::from_secs(5);

impl ConnectionManager {
    /// Makes a connection known and reachable.
    pub(crate) async fn register(self: &Arc<Self>, connection: &Connection) -> Result<Registered, Error> {
        self.registry.insert(connection, |topic| self.backend.unsubscribe(topic));
        self.counters.connected();
        let registered = Registered(connection.clone());
        if let Some(user) = connection.user() {
            // On failure the guard is dropped, which takes the connection out again.
            self.live(Topic::User(user)).await?;
        }
        Ok(registered)
    }

    /// The one way into a group. Hooks are asked before the connection is a member, so that it gets nothing that is not
    /// for it, and a second time where a recheck has begun since, which may have looked before there was a member to see.
    /// A recheck that begins later finds the member and asks by itself. So two questions are enough, however often
    /// rights change meanwhile.
    async fn join_group(&self, connection: &Connection, group: &str) -> Result<bool, Error> {
        check_group(group)?;
        let is_guarded = self.is_guarded(connection);
        let rechecks = self.rechecks.load(Ordering::Acquire);
        if is_guarded {
            self.ask_to_join(connection, group).await?;
        }
        // Behind the first question, so that nobody waits for one that may take long. The second is asked within, since who
        // comes next must not find a member that may yet be none; a hook that would wait for itself there is refused before.
        let turn = self.turn_to_join(connection, group).await?;
        let is_new = self.enter_group(connection, group).await?;
        let undo = Leave { manager: self, connection, group, armed: is_new };
        // Behind the locks under which it became a member, and a recheck looks: one that did not see it has counted.
        let has_begun = || rechecks != self.rechecks.load(Ordering::Acquire);
        if is_guarded && is_new && connection.is_in(group) && has_begun() {
            self.ask_to_join(connection, group).await?;
        }
        undo.disarm();
        // Where the application took it out meanwhile, it was in, and has left.
        if is_new && turn.is_revoked() {
            // A recheck took it out, or is about to, whatever the hooks have said since.
            self.counters.refused_join();
            return Err(Error::authorization("You may not join this group."));
        }
        Ok(is_new)
    }

    async fn turn_to_join(&self, connection: &Connection, group: &str) -> Result<Turn<'_>, Error> {
        let late = |_| Error::backend("Another join of this group is still under way.").with_component("registry");
        tokio::time::timeout(LIVE_WITHIN, self.turns.take(connection.id(), group)).await.map_err(late)
    }

    async fn enter_group(&self, connection: &Connection, group: &str) -> Result<bool, Error> {
        let gone = |topic: Topic<'_>| self.backend.unsubscribe(topic);
        let mut room =
            Room { groups: self.config.max_total_groups(), of_connection: self.config.groups_per_connection() };
        let mut joined = self.registry.join(connection, group, room, gone)?;
        if matches!(joined, Err(NoRoom::OfConnection)) {
            if self.verdicts.refuses(LimitName::GroupsPerConnection, connection.id()) {
                return Err(too_many_groups(room.of_connection));
            }
            room.of_connection = usize::MAX;
            joined = self.registry.join(connection, group, room, gone)?;
        }
        let is_new = match joined {
            Ok(is_new) => is_new,
            Err(_) => {
                let limit = self.config.max_total_groups();
                return Err(Error::backend("There are as many groups as may be.")
                    .with_component("registry")
                    .with_metadata("MAX_TOTAL_GROUPS", limit.to_string()));
            }
        };
        let undo = Leave { manager: self, connection, group, armed: is_new };
        // Also where it is a member already: the topic may have been interrupted since.
        match self.live(Topic::Group(group)).await {
            // It was in, and was taken out: then the backend may have nobody left to wait for, which is no failure.
            Err(error) if !connection.is_in(group) => tracing::debug!(group, %error, "left while it joined"),
            live => live?,
        }
        undo.disarm();
        if is_new {
            self.backend.members_changed(group);
        }
        Ok(is_new)
    }

    /// Waits until what is sent to a topic is heard here.
    async fn live(&self, topic: Topic<'_>) -> Result<(), Error> {
        let late = |_| Error::backend("The backend does not answer now.").with_component("backend");
        tokio::time::timeout(LIVE_WITHIN, retry(|| self.backend.subscribe(topic))).await.map_err(late)?
    }

    pub(super) fn leave_group(&self, connection: &Connection, group: &str) -> bool {
        let was_member = self.registry.leave(connection, group, |topic| self.backend.unsubscribe(topic));
        if was_member {
            self.backend.members_changed(group);
        }
        was_member
    }
}

/// Undoes a join that failed or was dropped half-way: a member of a topic that is not live would be deaf.
struct Leave<'a> {
    manager: &'a ConnectionManager,
    connection: &'a Connection,
    group: &'a str,
    armed: bool,
}

impl Leave<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.manager.leave_group(self.connection, self.group);
        }
    }
}

fn too_many_groups(limit: usize) -> Error {
    let problem = format!("a connection is in at most {limit} groups (WS_GROUPS_PER_CONNECTION)");
    Error::validation("group", problem)
}

impl Memberships for ConnectionManager {
    fn join<'a>(&'a self, connection: &'a Connection, group: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        self.join_group(connection, group).boxed()
    }

    fn leave(&self, connection: &Connection, group: &str) -> bool {
        self.leave_group(connection, group)
    }

    fn leave_everything(&self, connection: &Connection) {
        let left = |group: &str| self.backend.members_changed(group);
        self.registry.remove(connection, |topic| self.backend.unsubscribe(topic), left);
    }

    fn recheck<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Vec<String>> {
        self.recheck_connection(connection).boxed()
    }
}

/// A registered connection; dropped, it has left everything.
pub(crate) struct Registered(Connection);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.link().memberships.leave_everything(&self.0);
        self.0.set_state(ConnectionState::Disconnected);
    }
}
