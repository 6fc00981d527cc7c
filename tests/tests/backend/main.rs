//! The contract of a backend, and whether its suite would notice.

mod faults;
mod memory;
mod cluster;
