//! The CPU time of this process.

use std::time::Duration;

/// Ticks of `/proc/self/stat` in a second, on every Linux that there is.
const TICKS: u64 = 100;

/// A moment to measure from.
pub(super) struct Since(Duration);

impl Since {
    pub(super) fn now() -> Result<Self, crate::Failure> {
        Ok(Self(used()?))
    }

    /// The CPU time since then.
    pub(super) fn cpu(&self) -> Result<Duration, crate::Failure> {
        Ok(used()?.saturating_sub(self.0))
    }
}

fn used() -> Result<Duration, crate::Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything, in its parentheses: user and system time are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no process")?.1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}
