//! Real Redis servers of a test's own, alone, under Sentinels or as a Cluster, and what goes wrong between them.
//!
//! Starting, killing and asking a server blocks for milliseconds (for seconds if it is stopped), starting a group of
//! them for a few seconds; what waits for an event under load is async. Nothing here knows the library under test, and
//! nothing uses the system's own Redis.

mod authority;
mod cluster;
mod options;
mod place;
mod port;
mod process;
mod proxy;
mod resp;
mod sentinels;
mod server;
mod slots;
mod wait;

pub use cluster::{NODES, RedisCluster};
pub use options::RedisOptions;
pub use process::Process;
pub use proxy::{End, FaultProxy, Way};
pub use resp::{Connection, Failure, Value};
pub use sentinels::{MASTER, Sentinels};
pub use server::RedisServer;
pub use slots::SLOTS;
pub use wait::{eventually, until};
