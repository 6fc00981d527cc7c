//! The order of what is sent, over real sockets: within a burst, within a group, and when it does not fit.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

mod bursts;
mod crowd;
mod encoding;
mod ending;
mod full;
mod script;
