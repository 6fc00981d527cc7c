//! Without the feature `heap` nothing is counted.

use std::convert::Infallible;
use std::future::pending;

use super::Seats;
use crate::Failure;

/// There is none.
pub(super) struct Heap(Infallible);

impl Heap {
    /// # Errors
    ///
    /// Always.
    pub(super) fn watch() -> Result<Self, Failure> {
        Err("ALLOCATIONS=1 needs the feature `heap`: cargo run --release -p channels-bench --features heap".into())
    }
}

/// Never asked for.
pub(super) async fn asked(heap: Option<Heap>, _: &Seats) -> Result<(), Failure> {
    match heap {
        Some(Heap(never)) => match never {},
        None => pending().await,
    }
}
