//! What the integration tests share: a consumer, a backend of several servers in one process, real Redis servers, faults.
#![allow(missing_docs, reason = "nobody but these tests uses it")]
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

pub mod certificate;
pub mod cluster;
pub mod echo;
pub mod faulty;
pub mod frame;
pub mod guarded;
pub mod http2;
pub mod logs;
pub mod pipe;
pub mod probe;
pub mod raw;
pub mod redis;
pub mod socket;
pub mod transports;
pub mod waiting;
pub mod watched;
pub mod wire;
