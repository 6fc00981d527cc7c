//! Sending from a process that is no server: a worker, a cron job, a command of the shell.

use std::fmt;

use super::Receipt;
use super::command::Command;
use super::naming::{check_group, user_named};
use crate::backend::{Counts, Envelope, Health, Publisher, Server, Topic};
use crate::close::CloseReason;
use crate::config::Config;
use crate::error::Error;
use crate::id::ConnectionId;
use crate::message::Outgoing;

/// Sends to the members on all servers, from a process that is none. It needs only the Redis: it is not counted,
/// holds no place, hears nothing and has no tasks but those of its connection. So it has no
/// [`tracked`](crate::ChannelLayer::tracked): what became of a message is answered to a server, which hears it.
///
/// ```no_run
/// use channels::prelude::*;
/// use channels::Emitter;
/// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let emitter = Emitter::connect(&Config::from_env()?).await?;
/// let receipt = emitter.send_to_group("rust", ServerMessage::Notice("the build is green".into())).await?;
/// println!("{} servers have members there", receipt.servers.unwrap_or(0));
/// emitter.close().await;
/// # Ok(()) }
/// ```
pub struct Emitter {
    publisher: Publisher,
}

impl Emitter {
    /// Connects to the Redis that the configuration names, whatever its `BACKEND_TYPE`.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` that names the URL without its secrets, what was tried and what to do, within 15 s.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        Ok(Self { publisher: Publisher::connect(config).await? })
    }

    /// Sends to every member of a group; as [`ChannelLayer::send_to_group`](crate::ChannelLayer::send_to_group).
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR`, where [`Error::delivery`] tells whether it was sent; `VALIDATION_FAILED` for a name that is no
    /// group's; `SYSTEM_ERROR` where the message cannot be encoded.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, the message was sent or not.
    pub async fn send_to_group(&self, group: &str, message: impl Outgoing) -> Result<Receipt, Error> {
        check_group(group)?;
        self.send(Topic::Group(group), &message).await
    }

    /// Sends to every connection of a user.
    ///
    /// # Errors
    ///
    /// As [`Emitter::send_to_group`].
    pub async fn send_to_user(&self, user: impl AsRef<str>, message: impl Outgoing) -> Result<Receipt, Error> {
        let user = user_named(user)?;
        self.send(Topic::User(&user), &message).await
    }

    /// Sends to one connection, wherever it is.
    ///
    /// # Errors
    ///
    /// As [`Emitter::send_to_group`].
    pub async fn send_to_connection(&self, id: ConnectionId, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Connection(id), &message).await
    }

    /// Sends to every connection.
    ///
    /// # Errors
    ///
    /// As [`Emitter::send_to_group`].
    pub async fn broadcast(&self, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Broadcast, &message).await
    }

    /// Closes all connections of a user, on all servers; as
    /// [`ChannelLayer::close_user`](crate::ChannelLayer::close_user).
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR`, where [`Error::delivery`] tells whether it was sent; `VALIDATION_FAILED` for a name that is no
    /// user's.
    ///
    /// ```no_run
    /// # async fn example(emitter: channels::Emitter) -> Result<(), channels::Error> {
    /// // The account was locked by a tool of the support.
    /// let receipt = emitter.close_user("mallory", "your account is locked").await?;
    /// println!("{} servers close their connections", receipt.servers.unwrap_or(0));
    /// # Ok(()) }
    /// ```
    pub async fn close_user(&self, user: impl AsRef<str>, why: impl Into<CloseReason>) -> Result<Receipt, Error> {
        let user = user_named(user)?;
        self.publish(Topic::User(&user), &Command::close(why.into()).envelope()?).await
    }

    /// Closes one connection, wherever it is.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR`, as of [`Emitter::close_user`].
    pub async fn close_connection(&self, id: ConnectionId, why: impl Into<CloseReason>) -> Result<Receipt, Error> {
        self.publish(Topic::Connection(id), &Command::close(why.into()).envelope()?).await
    }

    /// Asks `#[authorize]` and the hook of the layer again about all memberships of a user, on all servers; as
    /// [`ChannelLayer::recheck_user`](crate::ChannelLayer::recheck_user).
    ///
    /// # Errors
    ///
    /// As [`Emitter::close_user`].
    pub async fn recheck_user(&self, user: impl AsRef<str>) -> Result<Receipt, Error> {
        let user = user_named(user)?;
        self.publish(Topic::User(&user), &Command::Recheck.envelope()?).await
    }

    /// Asks `#[authorize]` and the hook of the layer again about all members of a group, on all servers; as
    /// [`ChannelLayer::recheck_group`](crate::ChannelLayer::recheck_group).
    ///
    /// # Errors
    ///
    /// As [`Emitter::close_user`]; `VALIDATION_FAILED` for a name that is no group's.
    pub async fn recheck_group(&self, group: &str) -> Result<Receipt, Error> {
        check_group(group)?;
        self.publish(Topic::Group(group), &Command::Recheck.envelope()?).await
    }

    async fn send(&self, topic: Topic<'_>, message: &impl Outgoing) -> Result<Receipt, Error> {
        self.publish(topic, &Envelope::new(message.to_json(None)?).policy(message.outbox()?)).await
    }

    async fn publish(&self, topic: Topic<'_>, envelope: &Envelope) -> Result<Receipt, Error> {
        let published = self.publisher.publish(topic, envelope).await?;
        Ok(Receipt { local: 0, servers: published.servers })
    }

    /// What all servers have together.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    pub async fn counts(&self) -> Result<Counts, Error> {
        self.publisher.counts().await
    }

    /// The servers that live, those with the most connections first; as
    /// [`ChannelLayer::servers`](crate::ChannelLayer::servers).
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    ///
    /// ```
    /// # async fn example(emitter: channels::Emitter) -> Result<(), channels::Error> {
    /// for server in emitter.servers().await? {
    ///     println!("{}: {} connections", server.name, server.connections);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn servers(&self) -> Result<Vec<Server>, Error> {
        let mut servers = self.publisher.servers().await?;
        Server::sort(&mut servers);
        Ok(servers)
    }

    /// How the connection is.
    pub fn health(&self) -> Health {
        self.publisher.health()
    }

    /// Ends the connection, after what is under way was answered. Dropping it ends it at once.
    pub async fn close(self) {
        self.publisher.close().await;
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").finish_non_exhaustive()
    }
}
