//! Sends to one topic that follow one another: one run of bytes for each member.

use std::sync::Arc;

use super::Encoded;
use super::encoded::Ready;
use crate::id::ConnectionId;

/// How much a run may gather.
const RUN_BYTES: usize = 64 * 1024;
/// How many messages a run may gather: fewer than any sensible outbox holds.
const RUN_MESSAGES: usize = 64;

#[derive(Default)]
pub(super) struct Run {
    group: Option<Arc<str>>,
    pub(super) except: Option<ConnectionId>,
    messages: Vec<Ready>,
    bytes: usize,
}

impl Run {
    /// Begins anew: nothing of the one before is left but its memory.
    pub(super) fn begin(&mut self, group: Option<Arc<str>>, message: Ready, except: Option<ConnectionId>) {
        (self.group, self.except, self.bytes) = (group, except, message.size());
        self.messages.clear();
        self.messages.push(message);
    }

    /// Lets go of what it held.
    pub(super) fn end(&mut self) {
        self.group = None;
        self.messages.clear();
    }

    /// Takes one more, or gives it back.
    pub(super) fn add(&mut self, message: Ready, except: Option<ConnectionId>) -> Result<(), Ready> {
        let bytes = self.bytes + message.size();
        let goes_on = self.messages.last().is_some_and(|last| message.goes_with(last));
        if self.messages.len() >= RUN_MESSAGES || bytes > RUN_BYTES || self.except != except || !goes_on {
            return Err(message);
        }
        self.messages.push(message);
        self.bytes = bytes;
        Ok(())
    }

    pub(super) fn message(&self) -> Encoded<'_> {
        Encoded::several(&self.messages, self.group.as_deref())
    }
}
