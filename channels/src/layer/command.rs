//! What servers are told to do with the members of a topic. It goes the way of messages, behind those that were sent
//! before, and no client sees it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::ConnectionManager;
use crate::backend::{Envelope, Topic};
use crate::close::{CloseCode, CloseReason};
use crate::connection::{Connection, Outcome};
use crate::error::Error;
use crate::id::ConnectionId;

/// What is to be done.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Command {
    /// The members' connections end.
    Close {
        /// The code of the close frame.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// Nothing is to be done: what became of a message that the server asked about, see `settling.rs`.
    Settled {
        /// What the server knows it by.
        number: u64,
        queued: usize,
        conflated: usize,
        dropped: usize,
    },
    /// The members are asked about again: those of a user for all their groups, those of a group for this one.
    Recheck,
}

impl Command {
    pub(super) fn close(reason: CloseReason) -> Self {
        // What must not go over the wire, such as a reason of a client's, is made one that may.
        let reason = CloseReason::server(reason.code(), reason.text().to_owned());
        Self::Close { code: reason.code().as_u16(), reason: reason.text().to_owned() }
    }

    pub(super) fn envelope(&self) -> Result<Envelope, Error> {
        Ok(Envelope::command(serde_json::to_string(self).map_err(Error::internal)?))
    }
}

/// Does what a command says with the local members of a topic, and says with how many.
pub(super) fn carry_out(manager: &ConnectionManager, topic: Topic<'_>, envelope: &Envelope) -> usize {
    let command = match serde_json::from_str(&envelope.payload) {
        Ok(command) => command,
        Err(error) => {
            tracing::warn!(%error, "a command of another version is not carried out");
            return 0;
        }
    };
    if matches!(command, Command::Recheck) {
        // Before the look at the members: who is none yet is asked about once more at the end of the join.
        manager.begin_recheck();
    }
    let members = members(manager, topic, envelope.except);
    match command {
        Command::Close { code, reason } => close(&members, code, &reason),
        Command::Settled { number, queued, conflated, dropped } => {
            manager.settling.answered(number, Outcome { queued, conflated, dropped });
        }
        Command::Recheck => recheck(manager, members.clone(), topic),
    }
    members.len()
}

/// No command is for everybody: a drain is this server's own.
fn members(manager: &ConnectionManager, topic: Topic<'_>, except: Option<ConnectionId>) -> Vec<Connection> {
    let mut members = match topic {
        Topic::User(user) => manager.registry.user_connections(user),
        Topic::Connection(id) => manager.registry.get(id).into_iter().collect(),
        Topic::Group(group) => manager.registry.group_connections(group),
        Topic::Broadcast => Vec::new(),
    };
    members.retain(|connection| Some(connection.id()) != except);
    members
}

/// How long this server may take to hear its own command. It is over where the command came to an interrupted subscription,
/// to one that is not live yet, or to a queue that was full.
const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// A command that is under way to all servers. It is carried out here, whether this one hears it or not: nobody can tell
/// for sure. Not before it was taken, or nobody waits for that any more: what was sent earlier goes first.
pub(super) struct UnderWay<'a> {
    manager: &'a ConnectionManager,
    topic: Topic<'a>,
    command: Command,
    /// Who was connected when it was sent, for a command that is told to them and to nobody who comes later: whoever signs in
    /// again meanwhile stays, and a connection that is closed twice keeps its first reason.
    members: Vec<Connection>,
    is_done: bool,
}

impl<'a> UnderWay<'a> {
    pub(super) fn new(
        manager: &'a ConnectionManager,
        topic: Topic<'a>,
        except: Option<ConnectionId>,
        command: Command,
    ) -> Self {
        let members = match command {
            Command::Close { .. } => members(manager, topic, except),
            Command::Settled { .. } | Command::Recheck => Vec::new(),
        };
        Self { manager, topic, command, members, is_done: false }
    }

    /// This server has carried it out.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }

    /// The backend has it, and most likely this server hears it in a moment, behind what was sent earlier.
    pub(super) fn taken(mut self) {
        // A question has nothing to wait for. It is asked when this is dropped.
        if let Command::Close { code, reason } = &mut self.command {
            close_later(self.manager, &self.members, *code, std::mem::take(reason));
            self.is_done = true;
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        match &self.command {
            Command::Close { code, reason } => close(&self.members, *code, reason),
            // To be asked twice does no harm.
            Command::Recheck => {
                self.manager.begin_recheck();
                recheck(self.manager, members(self.manager, self.topic, None), self.topic);
            }
            Command::Settled { .. } => {}
        }
    }
}

fn close(members: &[Connection], code: u16, reason: &str) {
    let code = CloseCode::new(code).unwrap_or(CloseCode::CLOSED_BY_APPLICATION);
    for connection in members {
        tracing::debug!(connection = %connection.id(), %code, reason, "closed by a command");
        connection.close_with(CloseReason::server(code, reason.to_owned()));
    }
}

/// Closes who is not closed by then.
fn close_later(manager: &ConnectionManager, members: &[Connection], code: u16, reason: String) {
    let Some(runtime) = members.first().map(|member| member.link().runtime.clone()) else { return };
    // Neither the layer nor who has gone is kept for that long.
    let ids: Vec<ConnectionId> = members.iter().map(Connection::id).collect();
    let manager = manager.itself.clone();
    runtime.spawn(async move {
        tokio::time::sleep(HEARD_WITHIN).await;
        let Some(manager) = manager.upgrade() else { return };
        let mut late: Vec<Connection> = ids.into_iter().filter_map(|id| manager.registry.get(id)).collect();
        late.retain(|connection| !connection.is_closing());
        close(&late, code, &reason);
    });
}

/// How many memberships are asked about at once.
const ASKS_AT_ONCE: usize = 16;

/// What is asked may wait, and whoever delivers does not.
fn recheck(manager: &ConnectionManager, members: Vec<Connection>, topic: Topic<'_>) {
    let Some(manager) = manager.itself.upgrade() else { return };
    let group = match topic {
        Topic::Group(group) => Some(Arc::<str>::from(group)),
        _ => None,
    };
    let Some(runtime) = members.first().map(|member| member.link().runtime.clone()) else { return };
    runtime.spawn(stream::iter(members).for_each_concurrent(ASKS_AT_ONCE, move |member| {
        let (manager, group) = (Arc::clone(&manager), group.clone());
        async move { drop(manager.recheck_groups(&member, group.as_deref()).await) }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_it_was_written() {
        for (reason, written) in [
            (CloseReason::from("bye \"\n"), r#"{"close":{"code":4501,"reason":"bye \"\n"}}"#),
            (CloseReason::server(CloseCode::NORMAL, ""), r#"{"close":{"code":1000,"reason":""}}"#),
            // Must not go over the wire, and does not.
            (CloseReason::lost(), r#"{"close":{"code":1011,"reason":"the connection was lost"}}"#),
        ] {
            let envelope = Command::close(reason.clone()).envelope().unwrap();
            assert_eq!(&*envelope.payload, written);
            assert_eq!(serde_json::from_str::<Command>(written).unwrap(), Command::close(reason));
        }
        assert_eq!(&*Command::Recheck.envelope().unwrap().payload, "\"recheck\"");
        assert_eq!(serde_json::from_str::<Command>("\"recheck\"").unwrap(), Command::Recheck);
    }
}
