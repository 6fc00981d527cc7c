//! What `.ci/run` does, step by step: what is quick and likely to fail comes first.

use crate::command::{self, cargo};
use crate::steps::Steps;
use crate::{Failure, audit, bench, features, load, package, test};

/// `cargo xtask ci`.
///
/// # Errors
///
/// If a step fails.
pub(crate) fn run() -> Result<(), Failure> {
    let mut steps = Steps::default();
    steps.add("format", || command::run(&mut cargo(&["fmt", "--all", "--check"])));
    steps.add("clippy", || {
        // The flags behind `--` are for our own packages only, so what is compiled of the others is shared
        // with the steps that follow.
        let command = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
        command::run(&mut cargo(&command))
    });
    steps.add("docs", || {
        let command = ["doc", "--workspace", "--no-deps", "--all-features"];
        command::run(cargo(&command).env("RUSTDOCFLAGS", "-D warnings"))
    });
    // A link to what a feature adds is broken where that is off.
    for (name, features) in [("docs, default features", &[][..]), ("docs, no feature", &["--no-default-features"])] {
        steps.add(name, move || {
            let mut command = cargo(&["doc", "-p", features::LIBRARY, "--no-deps"]);
            command::run(command.args(features).env("RUSTDOCFLAGS", "-D warnings"))
        });
    }
    features::add_steps(&mut steps)?;
    steps.add("audit", audit::run);
    steps.add("packages", package::build);
    test::add_steps(&mut steps)?;
    load::add_short_step(&mut steps);
    bench::add_short_step(&mut steps);
    steps.run()
}
