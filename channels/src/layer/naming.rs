//! Names as callers give them. What is none is told before anything is sent.

use crate::error::Error;
use crate::id::UserId;

/// The longest name of a group, in bytes.
pub const MAX_GROUP_NAME_BYTES: usize = 512;

pub(super) fn check_group(group: &str) -> Result<(), Error> {
    if group.is_empty() || group.len() > MAX_GROUP_NAME_BYTES {
        let problem = format!("a group's name has 1 to {MAX_GROUP_NAME_BYTES} bytes");
        return Err(Error::validation("group", problem));
    }
    Ok(())
}

pub(super) fn user_named(name: impl AsRef<str>) -> Result<UserId, Error> {
    UserId::new(name.as_ref()).map_err(|error| Error::validation("user", error.to_string()))
}
