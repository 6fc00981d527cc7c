//! What only a nightly compiler does.

use std::path::PathBuf;
use std::process::Command;

use crate::Failure;
use crate::command::{find, output, program, run};

/// A command of the nightly toolchain, which is installed where it is missing.
///
/// # Errors
///
/// Without rustup, and if it cannot install; then with the command that does.
pub(crate) fn ensure(components: &[&str]) -> Result<(), Failure> {
    if find("rustup").is_none() {
        return Err("missing: rustup. Install it from https://rustup.rs, then run this again.".into());
    }
    let has_all = output(&mut rustup(&["component", "list", "--toolchain", "nightly", "--installed"]))
        .is_ok_and(|installed| components.iter().all(|name| installed.lines().any(|line| line.starts_with(name))));
    if has_all {
        return Ok(());
    }
    let mut install = rustup(&["toolchain", "install", "nightly", "--profile", "minimal"]);
    for component in components {
        install.args(["--component", component]);
    }
    run(&mut install)
        .map_err(|error| format!("{error}: it needs a nightly toolchain, which that command installs").into())
}

/// The nightly cargo, with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = rustup(&["run", "nightly", "cargo"]);
    // Those of the cargo that runs this are another toolchain's.
    command.args(arguments).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    command
}

/// A program that cargo installs, which is installed where it is missing.
///
/// # Errors
///
/// If it cannot be installed; then with the command that does.
pub(crate) fn ensure_program(name: &str) -> Result<(), Failure> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    if find(name).is_some() || home.is_some_and(|home| home.join("bin").join(name).is_file()) {
        return Ok(());
    }
    let install = run(&mut crate::command::cargo(&["install", "--locked", name]));
    install.map_err(|error| format!("{error}: `{name}` is missing, which that command installs").into())
}

fn rustup(arguments: &[&str]) -> Command {
    program("rustup", arguments)
}
