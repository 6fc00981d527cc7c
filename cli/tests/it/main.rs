//! The command, with a real Redis and real members.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(missing_docs, unreachable_pub, reason = "nobody but these tests sees it")]

mod command;
mod failing;
mod listening;
mod sending;
