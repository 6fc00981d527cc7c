//! Everything that can happen to several servers and their Redis, under load, and what was promised about it.
//!
//! A fault starts its Redis and two or three server processes, fills them with clients, publishes at a steady rate,
//! breaks something, heals it and goes on. Publishers stamp what they send and know what became of it, clients log what
//! they get, servers tell what they noticed, and the [`checker`] compares all three with the promises of the Redis
//! backend (`channels::docs::redis`).

#![allow(clippy::unwrap_used, reason = "what a run needs and is not there, ends it")]

pub mod books;
pub mod checker;
pub mod client;
pub mod clock;
pub mod crowd;
pub mod deploy;
pub mod faults;
pub mod http;
pub mod peer;
pub mod report;
pub mod run;
pub mod rush;
mod server;
pub mod servers;
pub mod told;
pub mod watch;
pub mod wire;

pub use server::serve;
