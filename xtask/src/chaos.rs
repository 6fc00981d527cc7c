//! What happens to several servers and their Redis.

use crate::command::{self, cargo};
use crate::{Failure, tools};

/// `cargo xtask chaos`: builds it in release, then has every fault happen in its long form, or as the options say.
///
/// # Errors
///
/// If something is missing, the build fails or a promise is broken.
pub(crate) fn run(options: &[String]) -> Result<(), Failure> {
    tools::ensure()?;
    command::run(cargo(&["run", "--release", "--quiet", "-p", "channels-chaos", "--"]).args(options))
}
