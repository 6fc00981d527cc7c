//! Another process, which publishes what is heard in this one.

use std::process::{Child, Command, Stdio};

use super::options::Options;
use super::ours;
use crate::Failure;

/// How many it has in flight.
const IN_FLIGHT: usize = 16;

/// A flood in a process of its own, until this is dropped.
pub(super) struct Flood(Child);

impl Flood {
    pub(super) fn start(options: &Options) -> Result<Self, Failure> {
        let seconds = (options.seconds * 2.0 + 5.0).to_string();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["link", "flood", "--url", &options.url, "--seconds", &seconds]);
        Ok(Self(command.stdout(Stdio::null()).spawn()?))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Publishes for a while.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    ours::publish(&Options { in_flight: IN_FLIGHT, ..options.clone() }).await.map(drop)
}
