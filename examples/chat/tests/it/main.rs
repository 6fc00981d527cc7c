//! The chat from outside: the binary, its sockets, its REST, and its page in a browser.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(missing_docs, unreachable_pub, reason = "nobody but these tests sees it")]

mod bad_input;
mod client;
mod http;
mod lifecycle;
mod login;
mod messages;
mod metrics;
mod redis;
mod rest;
mod rooms;
mod server;
