//! Sockets as RFC 6455 wants them, sentence by sentence: tables of what a client may send, and of what it may not.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

mod case;
mod close;
mod compression;
mod endings;
mod fail_fast;
mod fragmentation;
mod framing;
mod handshake;
mod house;
mod keys;
mod pings;
mod refusals;
mod reserved;
mod sizes;
mod talk;
mod utf8;
mod utf8_table;
