//! Answering a request before the handler ends.

use super::{Context, Extract, OnMessage};
use crate::connection::Connection;
use crate::error::Error;
use crate::message::{Answered, Outgoing, RequestId};

/// The answer to a request, for a handler that must give it before it goes on.
///
/// A handler's return value is the reply, and that is enough nearly always. But what a handler sends
/// elsewhere leaves before what it returns; where the order matters, it answers first:
///
/// ```
/// use channels::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Debug, Serialize, Deserialize)] struct Room { room: String }
/// # #[derive(Debug, Incoming)] enum ClientMessage { Join(Room) }
/// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Joined(Room), SomebodyJoined }
/// # #[derive(Default)] struct Chat;
/// #[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
/// impl Chat {
///     #[on("join")]
///     async fn join(&self, join: Room, conn: Connection, answer: Answer, layer: ChannelLayer) -> Result<(), channels::Error> {
///         conn.join(&join.room).await?;
///         answer.send(ServerMessage::Joined(join.clone()))?;
///         layer.send_to_group(&join.room, ServerMessage::SomebodyJoined).await?;
///         Ok(())
///     }
/// }
/// ```
///
/// The first [`send`](Answer::send) bears the request's `re`, where it has an `id`; nothing later does,
/// neither a returned reply nor an error.
#[derive(Clone, Debug)]
pub struct Answer {
    connection: Connection,
    id: Option<RequestId>,
    answered: Answered,
}

impl Answer {
    /// Sends a message to the client, as the answer where it has had none.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`]. Where the handler is `#[idempotent]`, that the client has gone is none, and `TIMEOUT_ERROR` says
    /// that it comes so late that another attempt may have been handled.
    pub fn send(&self, message: impl Outgoing) -> Result<(), Error> {
        self.answered.check()?;
        if self.answered.is_owed()
            && self.connection.answer(&self.answered, &message.to_json(self.id.as_ref())?, false)?
        {
            return Ok(());
        }
        self.connection.tell(&self.answered, &message)
    }
}

impl<S: Send + Sync> Extract<S, OnMessage> for Answer {
    async fn extract(cx: &Context<'_, S>) -> Result<Self, Error> {
        let message = cx.message();
        Ok(Self {
            connection: cx.connection().clone(),
            id: message.id().cloned(),
            answered: message.answered().clone(),
        })
    }
}
