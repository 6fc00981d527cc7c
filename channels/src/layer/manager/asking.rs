//! Asking who may be where: the hooks of the layer first, then the consumer's. For a join, and again for a recheck.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ConnectionManager;
use crate::connection::{Connection, Gate};
use crate::error::{Error, ErrorCode, caught};
use crate::id::ConnectionId;

/// How many questions may be asked by one another: a hook may join another group, about which it is asked as well. One
/// that joins always one more would go on until the stack is full, which ends the process.
const MOST_NESTED: usize = 4;

tokio::task_local! {
    /// The questions that this task is in the middle of, the first one first.
    static ASKING: Vec<(ConnectionId, Arc<str>)>;
}

impl ConnectionManager {
    /// Whether there is anybody to ask about a connection.
    pub(super) fn is_guarded(&self, connection: &Connection) -> bool {
        !self.gates.is_empty() || connection.link().gate.is_some()
    }

    /// Whether a connection may join a group; a refusal is counted.
    pub(super) async fn ask_to_join(&self, connection: &Connection, group: &str) -> Result<(), Error> {
        self.may_be_in(connection, group).await.inspect_err(|error| {
            self.counters.refused_join();
            tracing::debug!(connection = %connection.id(), group, %error, "a join is refused");
        })
    }

    /// All have to allow it. Who does not is the last to be asked.
    async fn may_be_in(&self, connection: &Connection, group: &str) -> Result<(), Error> {
        for gate in &self.gates {
            self.ask(&**gate, connection, group).await?;
        }
        match &connection.link().gate {
            Some(gate) => self.ask(&**gate, connection, group).await,
            None => Ok(()),
        }
    }

    /// Not every join has a handler's guard around it. Who has not said yes has said no.
    async fn ask(&self, gate: &dyn Gate, connection: &Connection, group: &str) -> Result<(), Error> {
        let about = (connection.id(), Arc::from(group));
        let mut asking = ASKING.try_with(Clone::clone).unwrap_or_default();
        let circle = if asking.contains(&about) {
            // It would be asked without end, or wait for the join that waits for its answer.
            Some("the hook that is asked about a join joins the same group by itself")
        } else {
            (asking.len() >= MOST_NESTED).then_some("the hook that is asked about joins joins by itself, without end")
        };
        if let Some(circle) = circle {
            return Err(Error::internal(circle).with_component("authorize").with_metadata("group", group));
        }
        asking.push(about);
        let late = |_| Error::timeout("This took too long.").with_component("authorize");
        // The time is within: a panic of what the hook drops when it is up is no answer either. Uncaught it would end whoever
        // asks, such as a recheck, which would leave all in their groups who were not asked about yet.
        caught(async {
            let answer = ASKING.scope(asking, gate.may_join(connection, group));
            tokio::time::timeout(self.config.handler_timeout(), answer).await.map_err(late)?
        })
        .await
    }

    /// Comes before the look at who is a member: whoever was allowed before, and becomes one after that look, is asked
    /// about again.
    pub(in crate::layer) fn begin_recheck(&self) {
        self.rechecks.fetch_add(1, Ordering::AcqRel);
    }

    /// A connection's own recheck, of all its groups; which of them were ended.
    pub(super) async fn recheck_connection(&self, connection: &Connection) -> Vec<String> {
        if questions() > 0 {
            let error = Error::internal("a hook that is asked about groups called `recheck`, which would ask it again")
                .with_component("authorize");
            self.failed(&error.located(connection.id(), connection.user(), None));
            return Vec::new();
        }
        self.begin_recheck();
        self.recheck_groups(connection, None).await
    }

    /// Asks again about one membership of a connection or all, once the recheck has begun; which of them were ended.
    pub(in crate::layer) async fn recheck_groups(&self, connection: &Connection, group: Option<&str>) -> Vec<String> {
        let mut left = Vec::new();
        for group in group.map_or_else(|| connection.groups(), |group| vec![group.to_owned()]) {
            if self.recheck_member(connection, &group).await {
                left.push(group);
            }
        }
        left
    }

    /// Asks again about one membership; whether it was ended.
    async fn recheck_member(&self, connection: &Connection, group: &str) -> bool {
        if !self.is_guarded(connection) || !connection.is_in(group) {
            return false;
        }
        let Err(error) = self.may_be_in(connection, group).await else { return false };
        if !matches!(error.code(), ErrorCode::AuthorizationFailed | ErrorCode::AuthenticationFailed) {
            // Nobody else hears of it.
            self.failed(&error.located(connection.id(), connection.user(), None));
        }
        // Before it leaves: a join that finds it gone finds this.
        self.turns.revoke(connection.id(), group);
        let was_member = self.leave_group(connection, group);
        if was_member {
            self.counters.revoked();
            tracing::debug!(connection = %connection.id(), group, "a membership is not allowed any more");
        }
        was_member
    }
}

/// How many questions the code that calls this is in the middle of.
fn questions() -> usize {
    ASKING.try_with(Vec::len).unwrap_or_default()
}
