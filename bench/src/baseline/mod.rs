//! Two servers without the library, to compare it with.
//!
//! `axum_ws` is what one writes with axum alone; `direct` is the least that a server behind `axum::serve` can do,
//! so it shows what there is to gain. Both forget what a library has to care for: limits, heartbeats, an order that
//! all members agree on, a drain.

pub(crate) mod axum_ws;
pub(crate) mod direct;
mod frames;
mod groups;
mod messages;
