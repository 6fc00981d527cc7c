//! Whatever carries the frames: each transport keeps the same contract, and has a few promises of its own.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

mod half_way;
mod http2;
mod listener;
mod lost;
mod origin;
mod outlived;
mod tcp;
mod tls;
mod unix;
