//! The seed's load on the chat example.

use crate::Failure;
use crate::command::{self, cargo};
use crate::steps::Steps;

/// In an unoptimised build on a busy machine the latency says nothing about the server; that everything
/// arrives, once and in order, has to hold there too.
const SHORT: [&str; 3] = ["--quick", "--p99-ms", "2000"];

/// `cargo xtask load`: builds both in release, then runs the load with the given options.
///
/// # Errors
///
/// If a build or the load fails.
pub(crate) fn run(options: &[String]) -> Result<(), Failure> {
    command::run(&mut cargo(&["build", "--release", "-p", "chat", "-p", "channels-load"]))?;
    command::run(cargo(&["run", "--release", "--quiet", "-p", "channels-load", "--"]).args(options))
}

/// A short load with the builds that the tests have left.
pub(crate) fn add_short_step(steps: &mut Steps) {
    steps.add("a short load", || {
        command::run(&mut cargo(&["build", "-p", "chat", "-p", "channels-load"]))?;
        command::run(cargo(&["run", "--quiet", "-p", "channels-load", "--"]).args(SHORT))
    });
}
