//! One server takes another's place.

use crate::command::{self, cargo};
use crate::{Failure, tools};

/// `cargo xtask deploy`: builds it in release, then has 10,000 clients go from one server to the next, or as the
/// options say.
///
/// # Errors
///
/// If something is missing, the build fails or a promise is broken.
pub(crate) fn run(options: &[String]) -> Result<(), Failure> {
    tools::ensure()?;
    command::run(cargo(&["run", "--release", "--quiet", "-p", "channels-chaos", "--", "deploy"]).args(options))
}
