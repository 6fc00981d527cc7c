//! The contract of a backend, and whether its suite would notice.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

mod cluster;
mod faults;
mod memory;
