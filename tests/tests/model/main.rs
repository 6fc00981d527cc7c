//! What threads may do to each other on the way out, tried in every order by loom.
//!
//! `connection/lane.rs` is compiled here a second time, with loom's locks in the place of the standard library's: what
//! is checked is what runs. Around it stand models: a socket that knows when two write to it, the members of a
//! group, a transport that takes, and somebody who waits for what was written. Beside it stands a model of a join and
//! a recheck.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

mod sync {
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

#[path = "../../../channels/src/connection/lane.rs"]
mod lane;

mod ending;
mod group;
mod joining;
mod member;
mod taken;
mod waiting;
mod writers;

/// Runs a model in every order that its threads may take.
fn every_order(model: impl Fn() + Sync + Send + 'static) {
    loom::model::Builder::new().check(model);
}

/// The same for a larger model: every order in which threads are interrupted at most so often.
fn every_order_with(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.check(model);
}
