//! Making a layer: its configuration, its backend, its encodings.

use std::sync::Arc;

use super::{ChannelLayer, ConnectionManager};
#[cfg(feature = "redis")]
use crate::backend::RedisBackend;
use crate::backend::{AnyBackend, Backend, MemoryBackend};
use crate::config::{BackendType, Config};
use crate::error::Error;
use crate::message::{Json, Serializer};

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
    /// `BACKEND_ERROR` where the backend cannot be reached after [`MAX_TRIES`](crate::layer::MAX_TRIES) tries, or is not
    /// built in.
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
}
