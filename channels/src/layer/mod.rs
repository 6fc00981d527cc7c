//! The channel layer: send to a group, a user, a connection or everybody, from anywhere.

mod awake;
mod closing;
mod command;
mod drain;
#[cfg(feature = "redis")]
mod emitter;
mod global;
mod heartbeat;
mod log;
mod manager;
#[cfg(feature = "inspector")]
mod recent;
mod rechecking;
mod retry;
mod settling;
mod signal;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use drain::Drained;
#[cfg(feature = "redis")]
pub use emitter::Emitter;
use futures_util::TryFutureExt;
pub use global::{AlreadyInstalled, get_channel_layer, try_get_channel_layer};
#[cfg(feature = "redis")]
use manager::check_group;
pub use manager::{Admission, ConnectionManager, LIVE_WITHIN, MAX_GROUP_NAME_BYTES};
pub(crate) use manager::{HandshakeBy, Place, Registered};
#[cfg(feature = "inspector")]
pub(crate) use recent::{Recent, SeenError};
pub use retry::{FIRST_RETRY_AFTER, MAX_RETRY_AFTER, MAX_TRIES, retry};
pub use settling::{SETTLED_WITHIN, Sent, Settled, Tracked};
pub use signal::shutdown_signal;

#[cfg(feature = "redis")]
use crate::backend::RedisBackend;
use crate::backend::{
    AnyBackend, Asked, Backend, Counts, Envelope, Events, Health, MemoryBackend, Published, Server, Topic,
};
use crate::close::CloseReason;
use crate::config::{BackendType, Config};
use crate::connection::{ConnectionRegistry, Serializers};
use crate::error::Error;
use crate::id::{ConnectionId, UserId};
use crate::message::{Json, Outgoing, Serializer};
use crate::spans::Traced;
use crate::stats::Stats;

/// What was accepted, at the moment the send returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Connections of this server whose outbox took the message, or, where the backend delivers later,
    /// the members there are now.
    pub local: usize,
    /// Servers that have it, where the backend knows.
    pub servers: Option<usize>,
}

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

/// Makes a layer with more than its configuration.
pub struct ChannelLayerBuilder {
    config: Config,
    backend: Option<AnyBackend>,
    serializers: Vec<Arc<dyn Serializer>>,
}

impl ChannelLayerBuilder {
    /// A backend of one's own instead of the one that `BACKEND_TYPE` names.
    #[must_use]
    pub fn backend(mut self, backend: impl Backend) -> Self {
        self.backend = Some(AnyBackend::custom(backend));
        self
    }

    /// One more encoding, as the subprotocol `channels.v1.<name>`. Of two with one name the first counts.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Serializer) -> Self {
        self.serializers.push(Arc::new(serializer));
        self
    }

    /// Connects the layer to its backend.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the backend cannot be reached after [`MAX_TRIES`] tries, or is not built in.
    pub async fn connect(self) -> Result<ChannelLayer, Error> {
        // Again, as often nobody listens to the log yet when the configuration is built.
        self.config.warn_about_unknown_variables();
        let backend = match (self.backend, self.config.backend_type()) {
            (Some(backend), _) => backend,
            (None, BackendType::Memory) => AnyBackend::Memory(MemoryBackend::new()),
            #[cfg(feature = "redis")]
            (None, BackendType::Redis) => AnyBackend::Redis(Box::new(RedisBackend::new(&self.config))),
            #[cfg(not(feature = "redis"))]
            (None, BackendType::Redis) => return Err(no_redis()),
        };
        let manager = ConnectionManager::new(self.config, backend, self.serializers.into());
        manager.start().await?;
        Ok(ChannelLayer::over(manager))
    }
}

#[cfg(not(feature = "redis"))]
fn no_redis() -> Error {
    Error::backend("BACKEND_TYPE=redis: this program was built without the feature `redis`. Set BACKEND_TYPE=memory.")
        .with_retryable(false)
}

impl ChannelLayer {
    fn over(manager: Arc<ConnectionManager>) -> Self {
        Self { manager }
    }

    /// A layer with this configuration, connected to the backend that it names.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the backend cannot be reached.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let layer = ChannelLayer::connect(Config::from_env().unwrap()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect(config: Config) -> Result<Self, Error> {
        Self::builder(config).connect().await
    }

    /// A layer of one process with the default configuration, at once. For tests and small tools.
    pub fn memory() -> Self {
        Self::memory_with(Config::default())
    }

    /// A layer of one process with this configuration, whatever its `BACKEND_TYPE`.
    pub fn memory_with(config: Config) -> Self {
        let builder = Self::builder(config);
        let backend = AnyBackend::Memory(MemoryBackend::new());
        let manager = ConnectionManager::new(builder.config, backend, builder.serializers.into());
        // The memory backend starts without waiting and cannot fail: it was made in this function.
        let started = futures_util::FutureExt::now_or_never(manager.start());
        debug_assert!(matches!(started, Some(Ok(()))));
        Self::over(manager)
    }

    /// A layer with a backend or an encoding of one's own.
    pub fn builder(config: Config) -> ChannelLayerBuilder {
        #[cfg_attr(not(feature = "msgpack"), allow(unused_mut))]
        let mut serializers: Vec<Arc<dyn Serializer>> = vec![Arc::new(Json)];
        #[cfg(feature = "msgpack")]
        serializers.push(Arc::new(crate::message::MessagePack));
        ChannelLayerBuilder { config, backend: None, serializers }
    }

    /// Sends to every member of a group, the sender included, encoded once.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the backend did not take it; `VALIDATION_FAILED` for a name that is no
    /// group's; `SYSTEM_ERROR` where the message cannot be encoded. A group without members is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, the message was sent or not.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let receipt = layer.send_to_group("rust", ServerMessage::Notice("hi".into())).await?;
    /// println!("{} connections of this server took it", receipt.local);
    /// # Ok(()) }
    /// ```
    pub async fn send_to_group(&self, group: &str, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Group(group), None, &message).await
    }

    /// Sends to every member of a group but one.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let message = ServerMessage::Notice("somebody is typing".into());
    /// layer.send_to_group_except("rust", conn.id(), message).await?;
    /// # Ok(()) }
    /// ```
    pub async fn send_to_group_except(
        &self,
        group: &str,
        except: ConnectionId,
        message: impl Outgoing,
    ) -> Result<Receipt, Error> {
        self.send(Topic::Group(group), Some(except), &message).await
    }

    /// Sends to every connection of a user.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`]; `VALIDATION_FAILED` for a name that is no [`UserId`]. A user
    /// without a connection is no error.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.send_to_user("ada", ServerMessage::Notice("you have mail".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn send_to_user(&self, user: impl AsRef<str>, message: impl Outgoing) -> Result<Receipt, Error> {
        let user = UserId::new(user.as_ref()).map_err(|error| Error::validation("user", error.to_string()))?;
        self.send(Topic::User(&user), None, &message).await
    }

    /// Sends to one connection, wherever it is.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`]. A connection that has gone is no error.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.send_to_connection(conn.id(), ServerMessage::Notice("only here".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn send_to_connection(&self, id: ConnectionId, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Connection(id), None, &message).await
    }

    /// Sends to every connection.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.broadcast(ServerMessage::Notice("the server restarts at noon".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn broadcast(&self, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Broadcast, None, &message).await
    }

    async fn send(
        &self,
        topic: Topic<'_>,
        except: Option<ConnectionId>,
        message: &impl Outgoing,
    ) -> Result<Receipt, Error> {
        self.send_asking(topic, except, message, None).await
    }

    async fn send_asking(
        &self,
        topic: Topic<'_>,
        except: Option<ConnectionId>,
        message: &impl Outgoing,
        asked: Option<Asked>,
    ) -> Result<Receipt, Error> {
        let policy = message.outbox()?;
        let envelope = Envelope { except, policy, asked, ..Envelope::new(message.to_json(None)?) };
        let (began, span) = (self.manager.counters.timings.begin(), Traced::send(topic.kind(), &topic));
        let Published { local, servers } = if span.is_on() {
            let publish = self.manager.publish(topic, envelope);
            span.around(publish.inspect_ok(told)).await?
        } else {
            self.manager.publish(topic, envelope).await?
        };
        self.manager.counters.timings.sent(topic.kind(), began);
        Ok(Receipt { local: local.unwrap_or_else(|| self.registry().members(topic)), servers })
    }

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
            None => Err(manager::not_connected()),
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
    /// `BACKEND_ERROR` with the reason.
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
            return Err(Error::backend("The server is draining."));
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

    /// Starts the heartbeat and the other tasks, once.
    pub(crate) fn ensure_background(&self) {
        self.manager.background.get_or_init(|| heartbeat::spawn(&self.manager));
    }
}

/// Notes in the span of a send what became of it.
fn told(published: &Published) {
    let span = tracing::Span::current();
    if let Some(local) = published.local {
        span.record("local", local);
    }
    if let Some(servers) = published.servers {
        span.record("servers", servers);
    }
}

impl fmt::Debug for ChannelLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelLayer")
            .field("backend", &self.backend_name())
            .field("server", &self.config().server_instance_id())
            .finish_non_exhaustive()
    }
}
