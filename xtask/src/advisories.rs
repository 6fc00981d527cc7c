//! Known vulnerabilities, for those who have cargo-deny. Its database lies on a Git host, which a build
//! machine may not reach; then that is said instead of passed over.

use crate::Failure;
use crate::command::{cargo, output, run};

/// Runs cargo-deny, as far as it can.
///
/// # Errors
///
/// If cargo-deny finds something.
pub(crate) fn check() -> Result<(), Failure> {
    if output(&mut cargo(&["deny", "--version"])).is_err() {
        println!("NOT CHECKED: advisories. cargo-deny is not installed: `cargo install --locked cargo-deny`");
        return Ok(());
    }
    run(&mut cargo(&["deny", "--all-features", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    if let Err(why) = output(&mut cargo(&["deny", "--all-features", "fetch", "db"])) {
        let why = why.to_string();
        let line = why.lines().find(|line| line.contains("failed")).unwrap_or("no reason given");
        println!("NOT CHECKED: advisories. Their database cannot be fetched: {line}");
        return Ok(());
    }
    run(&mut cargo(&["deny", "--all-features", "check", "--disable-fetch", "advisories"]))
}
