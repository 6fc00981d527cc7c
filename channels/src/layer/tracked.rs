//! Sends whose outcome can be awaited: who got a message, on all servers.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::naming::user_named;
use super::settling::Answers;
use super::{ChannelLayer, Receipt};
use crate::backend::Topic;
use crate::connection::Outcome;
use crate::error::Error;
use crate::id::ConnectionId;
use crate::message::Outgoing;

/// How long [`Sent::settled`] waits for the servers that have a message.
pub const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// What became of a message at the connections that it was for, as far as it is known.
///
/// Each connection that was a member when its server delivered the message counts once, but for one that has come to its end
/// and only its `#[disconnect]` still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// Their outbox took it. It is written as fast as the client reads; where the connection ends before, it is
    /// counted in [`Stats::dropped`](crate::Stats::dropped).
    pub queued: usize,
    /// Their outbox took it, in the place of one about the same that still waited: `#[channels(outbox = "latest")]`.
    pub conflated: usize,
    /// They do not get it: their outbox was full, their encoding cannot express it, or their socket was broken, though a handler
    /// still ran.
    pub dropped: usize,
    /// The servers that these numbers are of.
    pub answered: usize,
    /// The servers that have the message, where the backend knows. Over Redis a [`Tap`](crate::backend::Tap), which looks on
    /// and never answers, is one of them.
    pub servers: Option<usize>,
}

impl Settled {
    /// Whether all servers that have the message have answered.
    pub fn is_complete(&self) -> bool {
        self.servers.is_some_and(|servers| self.answered >= servers)
    }

    /// How many connections it was for, on the servers that have answered.
    pub fn members(&self) -> usize {
        self.queued + self.conflated + self.dropped
    }

    fn add(&mut self, outcome: Outcome) {
        self.queued += outcome.queued;
        self.conflated += outcome.conflated;
        self.dropped += outcome.dropped;
        self.answered += 1;
    }
}

/// Sends whose outcome can be awaited: [`ChannelLayer::tracked`].
#[derive(Clone, Copy, Debug)]
pub struct Tracked<'a> {
    layer: &'a ChannelLayer,
}

impl ChannelLayer {
    /// The same sends, with an outcome that can be awaited: who got the message, on all servers. It costs an answer of each
    /// server that has it, so it is asked for.
    ///
    /// ```
    /// use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), channels::Error> {
    /// # let layer = ChannelLayer::memory();
    /// let sent = layer.tracked().send_to_group("rust", ServerMessage::Notice("hi".into())).await?;
    /// println!("{} connections of this server have it", sent.receipt().local);
    /// let settled = sent.settled().await;
    /// assert!(settled.is_complete());
    /// println!("{} have it, {} do not", settled.queued + settled.conflated, settled.dropped);
    /// # Ok(()) }
    /// ```
    pub fn tracked(&self) -> Tracked<'_> {
        Tracked { layer: self }
    }
}

impl Tracked<'_> {
    /// As [`ChannelLayer::send_to_group`].
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    pub async fn send_to_group(&self, group: &str, message: impl Outgoing) -> Result<Sent, Error> {
        self.send(Topic::Group(group), None, &message).await
    }

    /// As [`ChannelLayer::send_to_group_except`]; the one that is left out is not counted.
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    pub async fn send_to_group_except(
        &self,
        group: &str,
        except: ConnectionId,
        message: impl Outgoing,
    ) -> Result<Sent, Error> {
        self.send(Topic::Group(group), Some(except), &message).await
    }

    /// As [`ChannelLayer::send_to_user`].
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_user`].
    pub async fn send_to_user(&self, user: impl AsRef<str>, message: impl Outgoing) -> Result<Sent, Error> {
        let user = user_named(user)?;
        self.send(Topic::User(&user), None, &message).await
    }

    /// As [`ChannelLayer::send_to_connection`].
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    pub async fn send_to_connection(&self, id: ConnectionId, message: impl Outgoing) -> Result<Sent, Error> {
        self.send(Topic::Connection(id), None, &message).await
    }

    /// As [`ChannelLayer::broadcast`].
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::send_to_group`].
    pub async fn broadcast(&self, message: impl Outgoing) -> Result<Sent, Error> {
        self.send(Topic::Broadcast, None, &message).await
    }

    async fn send(
        &self,
        topic: Topic<'_>,
        except: Option<ConnectionId>,
        message: &impl Outgoing,
    ) -> Result<Sent, Error> {
        let answers = Answers::begin(self.layer.manager());
        let receipt = self.layer.send_asking(topic, except, message, Some(answers.asked())).await?;
        Ok(Sent { receipt, sent_at: Instant::now(), answers })
    }
}

/// A message that was sent, and whose outcome can be awaited. Dropped, nobody waits for it.
#[must_use = "who does not want to know need not track it"]
#[derive(Debug)]
pub struct Sent {
    receipt: Receipt,
    sent_at: Instant,
    answers: Answers,
}

impl Sent {
    /// What was accepted, at the moment the send returned.
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Waits until all servers that have the message have said what became of it, for [`SETTLED_WITHIN`] after the send at
    /// most; an answer that did not come by then is missing in the numbers, see [`Settled::is_complete`]. A handler may
    /// wait for what it sent itself.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, the answers are lost. The message is not concerned.
    pub async fn settled(mut self) -> Settled {
        let mut settled = Settled { servers: self.receipt.servers, ..Settled::default() };
        let deadline = self.sent_at + SETTLED_WITHIN;
        while !settled.is_complete() {
            match timeout_at(deadline, self.answers.next()).await {
                Ok(Some(outcome)) => settled.add(outcome),
                Ok(None) | Err(_) => break,
            }
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_any_longer_than_somebody_waits() {
        let layer = ChannelLayer::memory();
        let settling = Arc::clone(&layer.manager().settling);
        let mut sent = Vec::new();
        for _ in 0..3 {
            let message = crate::message::Raw::new("said", "").unwrap();
            sent.push(layer.tracked().send_to_group("rust", message).await.unwrap());
        }
        assert_eq!(settling.len(), 3);
        drop(sent.pop());
        assert_eq!(settling.len(), 2);
        for sent in sent {
            let settled = sent.settled().await;
            assert_eq!(settled, Settled { answered: 1, servers: Some(1), ..Settled::default() });
        }
        assert_eq!(settling.len(), 0);
        // A message that nobody can send is not waited for either.
        let message = crate::message::Raw::new("said", "").unwrap();
        assert!(layer.tracked().send_to_group("", message).await.is_err());
        assert_eq!(settling.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_missing_and_not_waited_for_any_longer() {
        let layer = ChannelLayer::memory();
        let message = crate::message::Raw::new("said", "").unwrap();
        let mut sent = layer.tracked().broadcast(message).await.unwrap();
        sent.receipt.servers = Some(2);
        let began = Instant::now();
        let settled = sent.settled().await;
        assert_eq!((settled.answered, settled.is_complete()), (1, false));
        assert_eq!(began.elapsed(), SETTLED_WITHIN);
    }
}
