//! From sockets to sessions and back.
//!
//! A transport reads a socket into a stream of what was received, and writes the finished frames of
//! the connection's outbox. It knows nothing of groups or messages, and the layer nothing of it.

mod axum_ws;
mod negotiate;
mod route;

#[cfg(feature = "testing")]
pub(crate) use axum_ws::dropped_frames;
pub use route::Serve;
#[cfg(feature = "testing")]
pub(crate) use route::{InProcess, RunOver};
