//! Sends to one topic that follow one another: one run of bytes for each member.

use std::sync::Arc;

use bytestring::ByteString;

use super::Encoded;
use crate::id::ConnectionId;

/// How much a run may gather.
const RUN_BYTES: usize = 64 * 1024;
/// How many messages a run may gather: fewer than any sensible outbox holds.
const RUN_MESSAGES: usize = 64;

#[derive(Default)]
pub(super) struct Run {
    group: Option<Arc<str>>,
    pub(super) except: Option<ConnectionId>,
    json: Vec<ByteString>,
    bytes: usize,
}

impl Run {
    /// Begins anew: nothing of the one before is left but its memory.
    pub(super) fn begin(&mut self, group: Option<Arc<str>>, json: &ByteString, except: Option<ConnectionId>) {
        (self.group, self.except, self.bytes) = (group, except, json.len());
        self.json.clear();
        self.json.push(json.clone());
    }

    /// Lets go of what it held.
    pub(super) fn end(&mut self) {
        self.group = None;
        self.json.clear();
    }

    /// Whether it took one more.
    pub(super) fn add(&mut self, json: &ByteString, except: Option<ConnectionId>) -> bool {
        let fits = self.json.len() < RUN_MESSAGES && self.bytes + json.len() <= RUN_BYTES;
        let added = fits && self.except == except;
        if added {
            self.json.push(json.clone());
            self.bytes += json.len();
        }
        added
    }

    pub(super) fn message(&self) -> Encoded<'_> {
        Encoded::several(&self.json, self.group.as_deref())
    }
}
