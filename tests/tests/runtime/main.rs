//! The runtime as an application sees it, in process with paused time and over real sockets.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

mod addresses;
mod architecture;
mod authentication;
mod authorize;
mod bad_input;
mod closing;
mod defects;
mod disconnect;
mod drain;
mod errors;
mod global;
mod heartbeat;
mod how_much;
mod idempotent;
mod inspector;
mod limits;
mod membership;
mod metrics;
mod middleware;
mod negotiation;
mod neighbours;
mod overlap;
mod policies;
mod promises;
mod replies;
mod sending;
mod session;
mod settled;
mod slow;
mod sockets;
mod spans;
mod statistics;
mod timeouts;
