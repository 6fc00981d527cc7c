//! The channel layer: send to a group, a user, a connection or everybody, from anywhere.

mod authorizing;
mod awake;
mod builder;
mod closing;
mod command;
mod drain;
#[cfg(feature = "redis")]
mod emitter;
mod global;
mod heartbeat;
pub(crate) mod log;
mod manager;
mod naming;
#[cfg(feature = "inspector")]
mod recent;
mod rechecking;
mod retry;
mod sending;
mod settling;
mod signal;
mod tracked;

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

#[doc(hidden)]
pub use authorizing::Allowed;
pub use builder::ChannelLayerBuilder;
pub use drain::Drained;
#[cfg(feature = "redis")]
pub use emitter::Emitter;
pub use global::{AlreadyInstalled, get_channel_layer, try_get_channel_layer};
pub use manager::{Admission, ConnectionManager, LIVE_WITHIN};
pub(crate) use manager::{HandshakeBy, Place, Refused, Registered};
pub use naming::MAX_GROUP_NAME_BYTES;
#[cfg(feature = "inspector")]
pub(crate) use recent::{Recent, SeenError};
pub use retry::{FIRST_RETRY_AFTER, MAX_RETRY_AFTER, MAX_TRIES, retry};
pub use sending::Receipt;
pub use signal::shutdown_signal;
use tokio::task::AbortHandle;
pub use tracked::{SETTLED_WITHIN, Sent, Settled, Tracked};

use crate::backend::{Backend, Counts, Events, Health, Server};
use crate::close::CloseReason;
use crate::config::Config;
use crate::connection::{ConnectionRegistry, Serializers};
use crate::error::{Error, ErrorCode, Severity};
use crate::id::{ConnectionId, UserId};
use crate::stats::Stats;

/// The unified way to everybody: a handle that every task and thread may hold. A copy costs one
/// reference count; nothing needs a request at hand.
///
/// ```
/// use channels::prelude::*;
/// # use serde::Serialize;
/// # #[derive(Clone, Debug, Serialize)] struct Notice { text: String }
/// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(Notice) }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), channels::Error> {
/// let layer = ChannelLayer::memory();
/// let notice = ServerMessage::from(Notice { text: "hi".into() });
/// let receipt = layer.send_to_group("rust", notice).await?;
/// assert_eq!(receipt.local, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ChannelLayer {
    manager: Arc<ConnectionManager>,
}

impl ChannelLayer {
    /// Makes a connection of this server a member of a group; see [`Connection::join`](crate::Connection::join).
    ///
    /// # Errors
    ///
    /// As [`Connection::join`](crate::Connection::join); `CONNECTION_ERROR` where it is not here.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let is_new = layer.join_group(conn.id(), "rust").await?;
    /// # Ok(()) }
    /// ```
    pub async fn join_group(&self, id: ConnectionId, group: &str) -> Result<bool, Error> {
        match self.registry().get(id) {
            Some(connection) => connection.join(group).await,
            None => Err(not_connected()),
        }
    }

    /// Takes a connection of this server out of a group; whether it was in it.
    pub fn leave_group(&self, id: ConnectionId, group: &str) -> bool {
        self.registry().get(id).is_some_and(|connection| connection.leave(group))
    }

    /// Ends a connection of this server, at once; whether it is here. One on any server is ended by
    /// [`ChannelLayer::close_connection`].
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let reason = CloseReason::server(CloseCode::POLICY_VIOLATION, "banned");
    /// assert!(layer.disconnect(conn.id(), reason));
    /// # Ok(()) }
    /// ```
    pub fn disconnect(&self, id: ConnectionId, reason: CloseReason) -> bool {
        self.registry().get(id).map(|connection| connection.close_with(reason)).is_some()
    }

    /// The connections of this server.
    pub fn registry(&self) -> &ConnectionRegistry {
        &self.manager.registry
    }

    /// The work underneath.
    pub fn manager(&self) -> &Arc<ConnectionManager> {
        &self.manager
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.manager.config
    }

    /// This server's numbers.
    pub fn stats(&self) -> Stats {
        self.manager.stats()
    }

    /// What all servers have together.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let counts = layer.counts().await?;
    /// println!("{} connections on {} servers", counts.connections, counts.servers);
    /// # Ok(()) }
    /// ```
    pub async fn counts(&self) -> Result<Counts, Error> {
        self.manager.backend.counts().await
    }

    /// The servers that live, by name: this one first, then those with the most connections. Two of one
    /// `SERVER_INSTANCE_ID` are two. One that has crashed is among them until its heartbeat has stood still for 20
    /// seconds and a few more. None, where a backend of one's own cannot tell them apart.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), channels::Error> {
    /// let layer = ChannelLayer::memory_with(Config::builder().server_instance_id("berlin-1").build().unwrap());
    /// for server in layer.servers().await? {
    ///     let here = if server.is_self { ", which is this one" } else { "" };
    ///     println!("{}: {} connections{here}", server.name, server.connections);
    /// #   assert_eq!((&*server.name, server.is_self), ("berlin-1", true));
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn servers(&self) -> Result<Vec<Server>, Error> {
        let mut servers = self.manager.backend.servers().await?;
        Server::sort(&mut servers);
        Ok(servers)
    }

    /// How many members a group has on all servers.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// println!("{} are in the room", layer.group_len("rust").await?);
    /// # Ok(()) }
    /// ```
    pub async fn group_len(&self, group: &str) -> Result<usize, Error> {
        self.manager.backend.members(group).await
    }

    /// How many connections a user has on all servers; none is who is not there.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer, ada: UserId) -> Result<(), channels::Error> {
    /// let is_online = layer.user_len(&ada).await? > 0;
    /// # Ok(()) }
    /// ```
    pub async fn user_len(&self, user: &UserId) -> Result<usize, Error> {
        self.manager.backend.connections_of(user).await
    }

    /// Whether what is sent now arrives, since when, how much is heard, and what was the last interruption.
    ///
    /// ```
    /// # let layer = channels::ChannelLayer::memory();
    /// assert!(layer.health().connected);
    /// ```
    pub fn health(&self) -> Health {
        self.manager.backend.health()
    }

    /// The interruptions of the backend from now on: each is told once, and its end once.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) {
    /// use channels::backend::Event;
    ///
    /// let mut events = layer.events();
    /// while let Some(event) = events.next().await {
    ///     if let Event::Restored(interruption) = event {
    ///         println!("what was sent since {:?} may be missing: load it again", interruption.since);
    ///     }
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        self.manager.backend.events()
    }

    /// Whether messages can be sent and heard now: not draining, and the backend is connected.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` with the reason; of low severity while draining, as nothing is broken then.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// // The readiness probe of a load balancer.
    /// layer.ready()?;
    /// # Ok(()) }
    /// ```
    pub fn ready(&self) -> Result<(), Error> {
        if self.manager.is_draining() {
            // Nothing is broken, and each probe of a load balancer is answered so.
            return Err(Error::backend("The server is draining.").with_severity(Severity::Low));
        }
        let health = self.manager.backend.health();
        if health.connected {
            return Ok(());
        }
        let reason = health.reason.unwrap_or_else(|| "it is not connected".to_owned());
        Err(Error::backend(format!("The backend is not reachable: {reason}")))
    }

    /// `memory`, or the name of another backend.
    pub fn backend_name(&self) -> &'static str {
        self.manager.backend.name()
    }

    /// How long it exists.
    pub fn uptime(&self) -> Duration {
        self.manager.started_at.elapsed()
    }

    pub(crate) fn serializers(&self) -> &Serializers {
        &self.manager.serializers
    }

    /// Starts the heartbeat and the other tasks, unless they run: a router may outlive the runtime that served it first,
    /// with which they ended. Of two runtimes that serve at once, one has them for all connections.
    pub(crate) fn ensure_background(&self) {
        let mut background = self.manager.background.lock().unwrap_or_else(PoisonError::into_inner);
        if !background.is_empty() && !background.iter().any(AbortHandle::is_finished) {
            return;
        }
        // Where only one has ended, which is a panic, the others are not to run twice.
        background.drain(..).for_each(|task| task.abort());
        self.manager.warn_about_unknown_buckets();
        *background = heartbeat::spawn(&self.manager);
    }
}

fn not_connected() -> Error {
    Error::new(ErrorCode::ConnectionError, "There is no such connection.").not_closing()
}

impl fmt::Debug for ChannelLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelLayer")
            .field("backend", &self.backend_name())
            .field("server", &self.config().server_instance_id())
            .finish_non_exhaustive()
    }
}
