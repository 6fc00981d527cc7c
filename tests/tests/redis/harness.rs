//! The servers and faults of the other tests do what their names say.

mod cluster;
mod proxy;
mod sentinels;
mod server;
