//! Making a layer: its configuration, its backend, its encodings.

use std::future::Future;
use std::sync::Arc;

use super::authorizing::{Allowed, Hook};
use super::{ChannelLayer, ConnectionManager};
#[cfg(feature = "redis")]
use crate::backend::RedisBackend;
use crate::backend::{AnyBackend, Backend, MemoryBackend};
use crate::config::{BackendType, Config};
use crate::connection::{Connection, Gate};
use crate::error::Error;
use crate::message::{Json, Serializer};

/// Makes a layer with more than its configuration.
pub struct ChannelLayerBuilder {
    config: Config,
    backend: Option<AnyBackend>,
    serializers: Vec<Arc<dyn Serializer>>,
    gates: Vec<Box<dyn Gate>>,
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

    /// Asks this about every join of every group: by a connection of whatever consumer, whoever asks for it. The consumer's
    /// `#[authorize]`, where it has one, is asked besides, afterwards; both have to allow it. Only with this there is no way
    /// into a group unasked: `#[authorize]` is asked about connections of its own consumer, and those of a second one
    /// without it, on the same layer, join the same groups.
    ///
    /// It answers as `#[authorize]` does, by a `bool`, a `Result<(), E>` or a `Result<bool, E>` with
    /// `E: Into<channels::Error>`. `false` is `AUTHORIZATION_FAILED`. Where it panics, fails or takes longer than
    /// `WS_HANDLER_TIMEOUT`, nothing is allowed. [`Connection::recheck`], [`ChannelLayer::recheck_user`] and
    /// [`ChannelLayer::recheck_group`] ask again. A hook that joins another group is asked about that as well;
    /// by itself it joins no group that it is being asked about, which is an error at once.
    ///
    /// A server asks about the joins of its own connections, so each one that shares the groups makes its layer with it.
    /// Given twice, both are asked.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone)] struct Rooms;
    /// # impl Rooms {
    /// #     async fn has_member(&self, room: &str, user: &UserId) -> Result<bool, channels::Error> { Ok(true) }
    /// # }
    /// # async fn example(rooms: Rooms) -> Result<(), channels::Error> {
    /// let layer = ChannelLayer::builder(Config::from_env().unwrap())
    ///     .authorize(move |conn, group| {
    ///         let rooms = rooms.clone();
    ///         async move {
    ///             match conn.user() {
    ///                 Some(user) => rooms.has_member(&group, user).await,
    ///                 None => Ok(false),
    ///             }
    ///         }
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn authorize<F>(mut self, hook: impl Fn(Connection, String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output: Allowed> + Send + 'static,
    {
        self.gates.push(Box::new(Hook(hook)));
        self
    }

    /// Connects the layer to its backend.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the backend cannot be reached after [`MAX_TRIES`](crate::layer::MAX_TRIES) tries, or is not
    /// built in.
    pub async fn connect(self) -> Result<ChannelLayer, Error> {
        // Again, as often nobody listens to the log yet when the configuration is built.
        self.config.warn_about_unknown_variables();
        let backend = match (self.backend, self.config.backend_type()) {
            (Some(backend), _) => backend,
            (None, BackendType::Memory) => {
                self.config.warn_about_redis_that_is_not_used();
                AnyBackend::Memory(MemoryBackend::new())
            }
            #[cfg(feature = "redis")]
            (None, BackendType::Redis) => AnyBackend::Redis(Box::new(RedisBackend::new(&self.config))),
            #[cfg(not(feature = "redis"))]
            (None, BackendType::Redis) => return Err(no_redis()),
        };
        let manager = ConnectionManager::new(self.config, backend, self.serializers.into(), self.gates);
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
        let manager = ConnectionManager::new(builder.config, backend, builder.serializers.into(), builder.gates);
        // The memory backend starts without waiting and cannot fail: it was made in this function.
        let started = futures_util::FutureExt::now_or_never(manager.start());
        debug_assert!(matches!(started, Some(Ok(()))));
        Self::over(manager)
    }

    /// A layer with a backend, an encoding or a hook of one's own.
    pub fn builder(config: Config) -> ChannelLayerBuilder {
        #[cfg_attr(not(feature = "msgpack"), allow(unused_mut))]
        let mut serializers: Vec<Arc<dyn Serializer>> = vec![Arc::new(Json)];
        #[cfg(feature = "msgpack")]
        serializers.push(Arc::new(crate::message::MessagePack));
        ChannelLayerBuilder { config, backend: None, serializers, gates: Vec::new() }
    }
}
