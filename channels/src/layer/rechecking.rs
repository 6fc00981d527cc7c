//! Asking again who may be where.

use super::command::Command;
use super::naming::user_named;
use super::{ChannelLayer, Receipt};
use crate::backend::Topic;
use crate::error::Error;

impl ChannelLayer {
    /// Asks `#[authorize]` and the hook of the layer again for each group that a user's connections are in, on all servers, and
    /// takes them out of those that one does not allow now; see [`Connection::recheck`](crate::Connection::recheck). Change the rights
    /// first, then call this: a join that is under way meanwhile is asked about once more as well.
    ///
    /// The receipt tells how many connections of this server are asked about, and how many servers were told. Returns
    /// before the answers are there.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::close_user`]: with an error, too, this server has begun to ask about its own connections. And with the
    /// same gap: another server, never this one, whose connection to the backend is interrupted at that moment does not hear it.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// // Ada is no moderator any more.
    /// layer.recheck_user("ada").await?;
    /// # Ok(()) }
    /// ```
    pub async fn recheck_user(&self, user: impl AsRef<str>) -> Result<Receipt, Error> {
        let user = user_named(user)?;
        self.command(Topic::User(&user), None, Command::Recheck).await
    }

    /// Asks `#[authorize]` and the hook of the layer again for each member of a group, on all servers, and takes out whoever is not allowed now;
    /// as [`ChannelLayer::recheck_user`]. Another server that does not hear the group yet is not told, so a first join that
    /// is under way there at that moment keeps the answer it had.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::recheck_user`]; `VALIDATION_FAILED` for a name that is no group's.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// // The room is for members only from now on.
    /// layer.recheck_group("rust").await?;
    /// # Ok(()) }
    /// ```
    pub async fn recheck_group(&self, group: &str) -> Result<Receipt, Error> {
        self.command(Topic::Group(group), None, Command::Recheck).await
    }
}
