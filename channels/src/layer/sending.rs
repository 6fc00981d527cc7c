//! Sending to a group, a user, a connection or everybody: encoded once, whoever gets it.

use futures_util::FutureExt;

use super::ChannelLayer;
use super::naming::user_named;
use crate::backend::{Asked, Envelope, Published, Topic};
use crate::error::Error;
use crate::id::ConnectionId;
use crate::message::Outgoing;
use crate::spans::{Traced, failed};

/// What was accepted, at the moment the send returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Connections of this server whose outbox took the message, or, where the backend delivers later,
    /// the members there are now.
    pub local: usize,
    /// Servers that have it, where the backend knows.
    pub servers: Option<usize>,
}

impl ChannelLayer {
    /// Sends to every member of a group, the sender included, encoded once.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the backend did not take it; `VALIDATION_FAILED` for a name that is no
    /// group's; `SYSTEM_ERROR` where the message cannot be encoded. A group without members is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, the message was sent or not.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let receipt = layer.send_to_group("rust", ServerMessage::Notice("hi".into())).await?;
    /// println!("{} connections of this server took it", receipt.local);
    /// # Ok(()) }
    /// ```
    pub async fn send_to_group(&self, group: &str, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Group(group), None, &message).await
    }

    /// Sends to every member of a group but one.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// let message = ServerMessage::Notice("somebody is typing".into());
    /// layer.send_to_group_except("rust", conn.id(), message).await?;
    /// # Ok(()) }
    /// ```
    pub async fn send_to_group_except(
        &self,
        group: &str,
        except: ConnectionId,
        message: impl Outgoing,
    ) -> Result<Receipt, Error> {
        self.send(Topic::Group(group), Some(except), &message).await
    }

    /// Sends to every connection of a user.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`]; `VALIDATION_FAILED` for a name that is no [`UserId`](crate::UserId). A user
    /// without a connection is no error.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.send_to_user("ada", ServerMessage::Notice("you have mail".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn send_to_user(&self, user: impl AsRef<str>, message: impl Outgoing) -> Result<Receipt, Error> {
        let user = user_named(user)?;
        self.send(Topic::User(&user), None, &message).await
    }

    /// Sends to one connection, wherever it is.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`]. A connection that has gone is no error.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.send_to_connection(conn.id(), ServerMessage::Notice("only here".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn send_to_connection(&self, id: ConnectionId, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Connection(id), None, &message).await
    }

    /// Sends to every connection.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.broadcast(ServerMessage::Notice("the server restarts at noon".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn broadcast(&self, message: impl Outgoing) -> Result<Receipt, Error> {
        self.send(Topic::Broadcast, None, &message).await
    }

    async fn send(
        &self,
        topic: Topic<'_>,
        except: Option<ConnectionId>,
        message: &impl Outgoing,
    ) -> Result<Receipt, Error> {
        self.send_asking(topic, except, message, None).await
    }

    pub(super) async fn send_asking(
        &self,
        topic: Topic<'_>,
        except: Option<ConnectionId>,
        message: &impl Outgoing,
        asked: Option<Asked>,
    ) -> Result<Receipt, Error> {
        let span = Traced::send(topic.kind(), &topic);
        let envelope = span.inside(|| {
            let policy = message.outbox()?;
            Ok(Envelope { except, policy, asked, ..Envelope::new(message.to_json(None)?) })
        })?;
        let began = self.manager.counters.timings.begin();
        let Published { local, servers } = if span.is_on() {
            let publish = self.manager.publish(topic, envelope);
            span.around(publish.inspect(told)).await?
        } else {
            self.manager.publish(topic, envelope).await?
        };
        self.manager.counters.timings.sent(topic.kind(), began);
        Ok(Receipt { local: local.unwrap_or_else(|| self.registry().members(topic)), servers })
    }
}

/// Notes in the span of a send what became of it.
fn told(sent: &Result<Published, Error>) {
    let span = tracing::Span::current();
    match sent {
        Ok(Published { local, servers }) => {
            if let Some(local) = local {
                span.record("local", local);
            }
            if let Some(servers) = servers {
                span.record("servers", servers);
            }
        }
        Err(error) => failed(&span, error),
    }
}
