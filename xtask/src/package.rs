//! The packages that are published: whether they can be built from what is in them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs, io};

use crate::Failure;
use crate::command::{cargo, run, warnings};

/// These depend on packages that are never published, which cargo cannot pack. What they use besides, others use too.
const UNPACKABLE: [&str; 3] = ["channels-chaos", "channels-soak", "two-servers"];

/// Packs both libraries and builds them from their packages.
///
/// # Errors
///
/// If cargo fails.
pub(crate) fn build() -> Result<(), Failure> {
    forget_unpacked()?;
    run(&mut cargo(&["package", "-p", "axum-channels-macros", "-p", "axum-channels", "--allow-dirty"]))
}

/// Removes what cargo unpacked of our packages the last time. It takes what it has once unpacked for what it packs now,
/// as long as the version is the same, and would build one library against macros of the day before.
fn forget_unpacked() -> Result<(), Failure> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let registries = match fs::read_dir(home.ok_or("no home directory")?.join("registry/src")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    for registry in registries {
        for package in fs::read_dir(registry?.path())? {
            let package = package?;
            if package.file_name().to_string_lossy().starts_with("axum-channels") {
                fs::remove_dir_all(package.path())?;
            }
        }
    }
    Ok(())
}

/// The locked dependencies that their authors have withdrawn from the registry, in cargo's words.
///
/// # Errors
///
/// If cargo fails.
pub(crate) fn yanked() -> Result<Vec<String>, Failure> {
    // Cargo compares the lock file that a package would carry with the registry. So every package of the
    // workspace is packed, also those that are never published.
    let mut command = cargo(&["package", "--workspace", "--no-verify", "--allow-dirty"]);
    command.args(UNPACKABLE.map(|package| format!("--exclude={package}")));
    let said = warnings(&mut command)?;
    Ok(withdrawn(&said))
}

/// Several packages of ours may lock the same one; it is told once.
fn withdrawn(said: &str) -> Vec<String> {
    let lines: BTreeSet<_> = said.lines().filter(|line| line.contains("is yanked in registry")).collect();
    lines.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_yanked_is_told_once() {
        let warning = "warning: package `slab v0.4.10` in Cargo.lock is yanked in registry `crates-io`, consider \
                       updating to a version that is not yanked";
        let said =
            format!("   Packaging a v0.1.0\n{warning}\n    Packaged 4 files\n   Packaging b v0.1.0\n{warning}\n");
        assert_eq!(withdrawn(&said), [warning]);
        assert_eq!(withdrawn("   Packaging a v0.1.0\n"), Vec::<String>::new());
    }
}
