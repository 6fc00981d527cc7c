//! What is sent, and what arrives for the members here.

use super::ConnectionManager;
use crate::backend::{Backend, Content, Delivery, Envelope, Published, Sink, Topic};
use crate::close::{CloseCode, CloseReason};
use crate::connection::cork;
use crate::error::Error;
use crate::id::UserId;
use crate::layer::naming::check_group;
use crate::layer::{command, settling};

/// How many members messages that came together are given to before others get a turn.
const BURST: usize = 4096;

impl ConnectionManager {
    /// Sends a finished message to everybody of a topic.
    pub(crate) async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        if let Topic::Group(group) = topic {
            check_group(group)?;
        }
        self.backend.publish(topic, envelope).await
    }
}

impl Sink for ConnectionManager {
    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn deliver(&self, topic: Topic<'_>, envelope: &Envelope) -> usize {
        if envelope.content != Content::Message {
            return command::carry_out(self, topic, envelope);
        }
        let outcome = self.registry.deliver(topic, envelope);
        if let Some(asked) = envelope.asked {
            settling::answer(self, asked, outcome);
        }
        outcome.taken()
    }

    fn deliver_all(&self, messages: &mut dyn Iterator<Item = Delivery>) -> usize {
        // What goes to one connection is written at once, when the cork is drawn.
        cork::corked(|| {
            let mut taken = 0;
            while taken < BURST {
                let Some(message) = messages.next() else { break };
                // A message costs something also where nobody takes it.
                taken += 1 + self.deliver(message.to.as_topic(), &message.envelope);
            }
            taken
        })
    }

    fn local_members(&self, topic: Topic<'_>) -> usize {
        self.registry.members(topic)
    }

    fn evict(&self, user: Option<&UserId>, connections: usize) {
        let of = match user {
            Some(user) => self.registry.user_connections(user),
            None => self.registry.batches(connections).next().unwrap_or_default(),
        };
        for connection in of.iter().take(connections) {
            tracing::warn!(connection = %connection.id(), "closed: others have taken its place");
            connection.close_with(CloseReason::server(CloseCode::TRY_AGAIN_LATER, "too many connections"));
        }
    }

    fn server_name(&self) -> String {
        self.config.server_instance_id().to_owned()
    }

    fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }
}
