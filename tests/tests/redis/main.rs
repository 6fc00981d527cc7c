//! The Redis backend, on real servers.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

mod clock;
mod conformance;
mod dialing;
mod elsewhere;
mod foreign;
mod harness;
mod observing;
mod once;
mod outage;
mod panics;
mod rights;
mod secrets;
mod seeing;
mod servers;
mod several;
mod signing_out;
mod slow;
mod start;
mod topology;
mod vanish;
