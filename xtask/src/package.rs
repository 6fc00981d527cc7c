//! The packages that are published: whether they can be built from what is in them.

use std::collections::BTreeSet;
use std::process::Command;

use crate::Failure;
use crate::command::{Output, cargo, read_along};

/// Packs both libraries and builds them from their packages.
///
/// # Errors
///
/// If cargo fails, or a dependency was withdrawn from the registry.
pub(crate) fn run() -> Result<(), Failure> {
    let arguments = ["package", "-p", "axum-channels-macros", "-p", "axum-channels", "--allow-dirty"];
    without_yanked(&mut cargo(&arguments))
}

/// Cargo only warns of dependencies that their authors have withdrawn; here they are a failure.
///
/// # Errors
///
/// If cargo fails, or with its warnings.
pub(crate) fn without_yanked(command: &mut Command) -> Result<(), Failure> {
    // Several packages of ours may lock the same one.
    let mut yanked = BTreeSet::new();
    read_along(command, Output::Error, |line| {
        if line.contains("is yanked in registry") {
            yanked.insert(line.to_owned());
        }
    })?;
    if yanked.is_empty() { Ok(()) } else { Err(Vec::from_iter(yanked).join("\n").into()) }
}
