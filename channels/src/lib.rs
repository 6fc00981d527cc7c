//! Typed, distributed WebSocket channels for axum.
//!
#![doc = include_str!("docs/links.md")]
#![doc = include_str!("docs/tour.md")]
// The guides take what is on by default for granted: without it, some of their links lead nowhere.
#![cfg_attr(not(all(feature = "macros", feature = "redis")), allow(rustdoc::broken_intra_doc_links))]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod backend;
mod close;
mod config;
mod connection;
pub mod consumer;
pub mod docs;
mod error;
pub mod extract;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
#[cfg(feature = "inspector")]
mod inspector;
mod layer;
mod limits;
pub mod message;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod middleware;
mod names;
pub mod prelude;
pub mod rate_limit;
mod spans;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod timings;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
#[cfg(feature = "validation")]
mod validate;
mod websocket;

#[cfg(feature = "macros")]
pub use channels_macros::{
    Incoming, Outgoing, accept, authorize, connect, consumer, disconnect, error, idempotent, on, on_binary, on_text,
    rate_limit, user, validate,
};
pub use close::{CloseCode, CloseReason, ClosedBy};
pub use config::{
    BackendType, Config, ConfigBuilder, ConfigError, LimitFallback, LimitName, LogLevel, Network, Origins, Rate,
};
pub use connection::{Connection, ConnectionRegistry, ConnectionState, ConnectionStats};
pub use consumer::Consumer;
pub use error::{
    BoxError, Category, Delivery, Error, ErrorCode, ErrorContext, ErrorResponse, MAX_ERROR_DETAILS_BYTES,
    MAX_ERROR_MESSAGE_BYTES, OrInternal, Severity,
};
pub use extract::Extract;
pub use id::{ConnectionId, InvalidConnectionId, InvalidUserId, MAX_USER_ID_CHARS, UserId};
#[cfg(feature = "inspector")]
pub use inspector::inspector;
#[cfg(feature = "redis")]
pub use layer::Emitter;
pub use layer::{
    Admission, AlreadyInstalled, ChannelLayer, ChannelLayerBuilder, ConnectionManager, Drained, FIRST_RETRY_AFTER,
    LIVE_WITHIN, MAX_GROUP_NAME_BYTES, MAX_RETRY_AFTER, MAX_TRIES, Receipt, SETTLED_WITHIN, Sent, Settled, Tracked,
    get_channel_layer, retry, shutdown_signal, try_get_channel_layer,
};
pub use message::{Incoming, OutboxPolicy, Outgoing};
pub use middleware::Middleware;
pub use stats::Stats;
pub use transport::Serve;
