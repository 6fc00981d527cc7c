//! The CPU time of this process.

use std::time::Duration;

use crate::{Failure, process};

/// A moment to measure from.
pub(super) struct Since(Duration);

impl Since {
    pub(super) fn now() -> Result<Self, Failure> {
        Ok(Self(used()?))
    }

    /// The CPU time since then.
    pub(super) fn cpu(&self) -> Result<Duration, Failure> {
        Ok(used()?.saturating_sub(self.0))
    }
}

fn used() -> Result<Duration, Failure> {
    Ok(Duration::try_from_secs_f64(process::cpu(std::process::id())?)?)
}
