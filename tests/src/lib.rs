//! What the integration tests share: a backend of several servers in one process, sockets, logs.

pub mod cluster;
pub mod faulty;
