//! Every test of the repository.

use std::fmt;

use crate::command::{cargo, read_along};
use crate::steps::Steps;
use crate::{Failure, features, tools, versions};

/// `cargo xtask test`.
///
/// # Errors
///
/// If something is missing or a test fails.
pub(crate) fn run() -> Result<(), Failure> {
    let mut steps = Steps::default();
    add_steps(&mut steps)?;
    steps.run()
}

/// What is missing, the versions, then the tests.
///
/// # Errors
///
/// If cargo cannot tell the features.
pub(crate) fn add_steps(steps: &mut Steps) -> Result<(), Failure> {
    steps.add("what the tests need", tools::ensure);
    steps.add("versions", versions::check);
    steps.add("tests of the workspace", || test(&["--workspace"]));
    let off = features::left_off()?;
    if !off.is_empty() {
        // The workspace's own build has these off, so what they bring has not been tested yet.
        let name = format!("tests of {} with every feature ({} were off)", features::LIBRARY, off.join(", "));
        steps.add(name, || test(&["-p", features::LIBRARY, "--all-features"]));
    }
    Ok(())
}

/// Runs tests, all of them even if one fails, and tells how many there were.
fn test(arguments: &[&str]) -> Result<(), Failure> {
    let mut tally = Tally::default();
    let mut command = cargo(&["test", "--no-fail-fast"]);
    command.args(arguments);
    let outcome = read_along(&mut command, |line| tally.add(line));
    println!("{tally}");
    match outcome {
        Err(failure) => Err(format!("{failure}: {tally}").into()),
        Ok(()) if tally.passed == 0 => Err("no test was run".into()),
        Ok(()) => Ok(()),
    }
}

/// Numbers from the lines with which test programs end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Takes `test result: ok. 39 passed; 0 failed; 0 ignored; …`, and nothing from any other line.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let words: Vec<_> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        let count = |kind: &str| -> u64 {
            words.windows(2).find(|pair| pair[1] == kind).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
        };
        self.programs += 1;
        self.passed += count("passed");
        self.failed += count("failed");
        self.ignored += count("ignored");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, passed, failed, ignored } = self;
        write!(f, "{passed} tests passed, {failed} failed, {ignored} ignored, in {programs} test programs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_are_counted() {
        let mut tally = Tally::default();
        tally.add("running 3 tests");
        tally.add("test result: ok. 39 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        tally.add("test result: FAILED. 1 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        assert_eq!(tally.to_string(), "40 tests passed, 4 failed, 2 ignored, in 2 test programs");
    }
}
