//! Minutes of everything that clients do to a server.

use crate::command::{self, cargo};
use crate::{Failure, tools};

/// `cargo xtask soak`: builds it in release, then runs it for ten minutes, or as the options say.
///
/// # Errors
///
/// If something is missing, the build fails or something is left when everybody has gone.
pub(crate) fn run(options: &[String]) -> Result<(), Failure> {
    if options.iter().any(|option| option == "--redis") {
        tools::ensure()?;
    }
    command::run(cargo(&["run", "--release", "--quiet", "-p", "channels-soak", "--"]).args(options))
}
