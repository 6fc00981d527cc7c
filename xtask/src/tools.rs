//! Programs that the tests need besides Rust.

use crate::Failure;
use crate::command::{find, output, program, run};

/// A program, and the Debian package that brings it.
struct Tool {
    program: &'static str,
    package: &'static str,
}

/// A real browser and what drives it from a test, and the server of the Redis backend.
const TOOLS: [Tool; 3] = [
    Tool { program: "chromium", package: "chromium" },
    Tool { program: "chromedriver", package: "chromium-driver" },
    Tool { program: "redis-server", package: "redis-server" },
];

/// Installs what is missing, as root with apt.
///
/// # Errors
///
/// If something is missing and cannot be installed; then with the command that does.
pub(crate) fn ensure() -> Result<(), Failure> {
    let missing = missing();
    if missing.is_empty() {
        println!("nothing is missing");
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    if !may_install() {
        return Err(refusal(&missing).into());
    }
    println!("installing {}", packages.join(", "));
    run(&mut apt(&["update"]))?;
    run(apt(&["install", "-y", "--no-install-recommends"]).args(&packages))?;
    let still: Vec<_> = self::missing().iter().map(|tool| tool.program).collect();
    if still.is_empty() { Ok(()) } else { Err(format!("still missing: {}", still.join(", ")).into()) }
}

/// Looks whether one of them is there.
///
/// # Errors
///
/// If it is missing; then with the command that installs it.
pub(crate) fn need(program: &str) -> Result<(), Failure> {
    match TOOLS.iter().find(|tool| tool.program == program && find(tool.program).is_none()) {
        Some(tool) => Err(how_to_install(&[tool]).into()),
        None => Ok(()),
    }
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| find(tool.program).is_none()).collect()
}

fn refusal(missing: &[&Tool]) -> String {
    format!("{} No test was run.", how_to_install(missing))
}

fn how_to_install(missing: &[&Tool]) -> String {
    let names: Vec<_> = missing.iter().map(|tool| tool.program).collect();
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    format!(
        "missing: {}. Install with\n\n    sudo apt-get update && sudo apt-get install -y {}\n\n\
         or, without apt, what brings these programs on your system; then run this again.",
        names.join(", "),
        packages.join(" ")
    )
}

fn may_install() -> bool {
    let user = output(&mut program("id", &["-u"])).unwrap_or_default();
    user.trim() == "0" && find("apt-get").is_some()
}

fn apt(arguments: &[&str]) -> std::process::Command {
    let mut command = program("apt-get", arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_exact_command() {
        let all: Vec<_> = TOOLS.iter().collect();
        let command = "sudo apt-get update && sudo apt-get install -y chromium chromium-driver redis-server\n";
        assert!(refusal(&all).contains(command));
    }
}
