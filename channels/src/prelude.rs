//! What a module with a consumer uses: `use channels::prelude::*;`.

pub use axum::extract::{FromRef, Path, State};
pub use axum::http::StatusCode;
pub use bytes::Bytes;
pub use bytestring::ByteString;
#[cfg(feature = "macros")]
pub use channels_macros::{
    Incoming, Outgoing, accept, authorize, connect, consumer, disconnect, error, idempotent, on, on_binary, on_text,
    rate_limit, user, validate,
};

pub use crate::close::{CloseCode, CloseReason};
pub use crate::config::Config;
pub use crate::connection::Connection;
pub use crate::error::OrInternal;
pub use crate::extract::{Answer, Context, Extract};
pub use crate::id::{ConnectionId, UserId};
pub use crate::layer::{ChannelLayer, get_channel_layer};
pub use crate::message::{Incoming, Outgoing, Reply};
pub use crate::middleware::{Middleware, Next};
