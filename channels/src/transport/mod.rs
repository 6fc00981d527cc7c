//! From sockets to sessions and back.
//!
//! A transport reads a socket into what was received, and sees to it that what the connection's outbox holds is written.
//! It knows nothing of groups or messages, and the layer nothing of it.

mod accept;
mod address;
mod ending;
mod instance;
mod negotiate;
mod origin;
mod piped;
mod reader;
mod refusal;
mod response;
mod route;
mod run;
mod secrets;
mod socket;

pub use route::Serve;
#[cfg(feature = "testing")]
pub(crate) use route::{InProcess, RunOver};
