//! Each feature of the library alone: one that needs another without saying so is found here.

use crate::Failure;
use crate::command::{cargo, run};
use crate::metadata::Metadata;
use crate::steps::Steps;

/// The package whose features users choose from.
pub(crate) const LIBRARY: &str = "axum-channels";

/// One step without any feature, and one for each.
///
/// # Errors
///
/// If cargo cannot tell the features.
pub(crate) fn add_steps(steps: &mut Steps) -> Result<(), Failure> {
    let metadata = Metadata::load(&["--no-deps"])?;
    let library = metadata.member(LIBRARY)?;
    steps.add("no feature", || run(&mut check(&[])));
    for feature in library.features() {
        let feature = feature.to_owned();
        steps.add(format!("feature {feature} alone"), move || run(&mut check(&["--features", &feature])));
    }
    Ok(())
}

fn check(arguments: &[&str]) -> std::process::Command {
    let mut command = cargo(&["check", "-p", LIBRARY, "--no-default-features"]);
    command.args(arguments);
    command
}

/// The library's features that a test of the whole workspace leaves off.
///
/// # Errors
///
/// If cargo cannot tell the features.
pub(crate) fn left_off() -> Result<Vec<String>, Failure> {
    let metadata = Metadata::load(&[])?;
    let library = metadata.member(LIBRARY)?;
    let active = metadata.active_features(library);
    let off = library.features().into_iter().filter(|feature| !active.contains(feature));
    Ok(off.map(str::to_owned).collect())
}
