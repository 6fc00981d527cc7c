//! What a connection is sent: pushed by whoever sends it, and written by whoever is called to.

use bytes::Bytes;

use super::encoded::Rule;
use super::outbox::{Pushed, Share};
use super::outcome::{Fate, Outcome};
use super::slot::{Audience, Slot};
use super::{Batch, Connection, Encoded, Tally, Wire, cork, ended};
use crate::close::{CloseCode, CloseReason};
use crate::error::Error;
use crate::message::{MessagePolicy, OutboxPolicy};
use crate::websocket::Chunk;

impl Connection {
    /// Queues what is for this client alone.
    pub(super) fn send_chunk(&self, chunk: Chunk, policy: MessagePolicy) -> Result<(), Error> {
        cork::settle();
        let slot = match &policy {
            MessagePolicy::Latest(key) => Some(Slot::of(Audience::Own, None, key.as_str())),
            _ => None,
        };
        let rule = match (&slot, policy, self.0.link.outbox.policy) {
            (Some(slot), ..) => Rule::Latest(slot),
            (None, MessagePolicy::DropNewest, _) => Rule::DropNewest,
            (None, MessagePolicy::OfConsumer, OutboxPolicy::DropNewest) => Rule::DropNewest,
            (None, ..) => Rule::Close,
        };
        self.send_by(chunk, rule)
    }

    /// Queues the answer to a request, or an error. A consumer that does without messages has room kept for these, so that
    /// who may miss messages is not closed for asking.
    pub(super) fn send_answer(&self, chunk: Chunk) -> Result<(), Error> {
        cork::settle();
        let may_miss = self.0.link.outbox.policy == OutboxPolicy::DropNewest;
        self.send_by(chunk, if may_miss { Rule::Reserved } else { Rule::Close })
    }

    /// Queues what a client is told once, before it is closed. Its outbox may be full of what is to be written first:
    /// that this does not fit must not end it as too slow, which throws all of that away.
    pub(super) fn send_last_chunk(&self, chunk: Chunk) -> Result<(), Error> {
        cork::settle();
        self.send_by(chunk, Rule::Last)
    }

    fn send_by(&self, chunk: Chunk, rule: Rule<'_>) -> Result<(), Error> {
        match self.push(chunk, Share::Own, rule) {
            Pushed::Queued | Pushed::Conflated | Pushed::Dropped => Ok(()),
            _ => Err(ended()),
        }
    }

    /// Queues what others get too; of several messages, whether all were taken.
    pub(crate) fn deliver(&self, message: &mut Encoded<'_>) -> Fate {
        let (link, group) = (&self.0.link, message.group());
        let Some(chunk) = message.chunk(link) else {
            self.left_out(group, message.len());
            return Fate::Dropped;
        };
        // Those of a run that the encoding cannot express.
        let left_out = message.len() - (chunk.messages as usize).min(message.len());
        let pushed = match message.rule(link.outbox.policy) {
            Some(rule) => self.push(chunk, Share::Others(group), rule),
            None => Pushed::TooMany,
        };
        match pushed {
            Pushed::TooMany => {
                let all: Outcome = message.each().map(|one| self.deliver(one)).collect();
                return if all.dropped == 0 { Fate::Queued } else { Fate::Dropped };
            }
            // It is among the members until its `#[disconnect]` has ended. A last word of that to a room is for who stays:
            // that its own client does not get it is nothing to be alarmed by.
            Pushed::Closed => return Fate::Gone,
            _ if left_out > 0 => self.left_out(group, left_out),
            _ => {}
        }
        match pushed {
            Pushed::Queued => Fate::Queued,
            Pushed::Conflated => Fate::Conflated,
            _ => Fate::Dropped,
        }
    }

    /// Counts and tells what its encoding cannot express.
    fn left_out(&self, group: Option<&str>, messages: usize) {
        self.0.link.counters.add_dropped(messages);
        if self.0.outbox.tell_dropped(group, messages) {
            cork::due(self);
        }
    }

    /// Queues a chunk, and acts on what did not fit.
    fn push(&self, chunk: Chunk, share: Share<'_>, rule: Rule<'_>) -> Pushed {
        let messages = chunk.messages as usize;
        let mut outcome = self.push_or_late(chunk, share, rule, true);
        if let Pushed::Late(chunk) = outcome {
            // A healthy socket never overflows because its writer is late.
            self.write_now();
            outcome = self.push_or_late(chunk, share, rule, false);
        }
        // Where the session has ended its outbox, it said so before.
        if matches!(outcome, Pushed::Closed) && !self.is_leaving() {
            outcome = Pushed::Lost;
        }
        let counters = &self.0.link.counters;
        match outcome {
            Pushed::Conflated => counters.conflated(),
            Pushed::Dropped => counters.add_dropped(1),
            Pushed::Lost => counters.add_dropped(messages),
            Pushed::Full => {
                counters.add_dropped(1);
                self.begin_to_close(CloseReason::server(CloseCode::OUTBOX_FULL, "too slow"));
            }
            Pushed::Queued | Pushed::TooMany | Pushed::Late(_) | Pushed::Closed => {}
        }
        outcome
    }

    fn push_or_late(&self, chunk: Chunk, share: Share<'_>, rule: Rule<'_>, may_be_late: bool) -> Pushed {
        let (outcome, called) = self.0.outbox.push(chunk, share, rule, may_be_late);
        if called {
            cork::due(self);
        }
        outcome
    }

    /// From now on what is sent is written to this socket at once, at the end of a burst.
    pub(crate) fn attach(&self, wire: Wire) {
        self.0.outbox.attach(wire);
    }

    pub(super) fn write_now(&self) {
        let mut tally = Tally::default();
        self.write(&mut tally);
        self.0.link.counters.sent(tally.messages, tally.payload);
    }

    /// Writes what waits, and adds it to a tally for the layer's counters. What the socket does not take now is
    /// written by a task of its own.
    pub(super) fn write(&self, all: &mut Tally) {
        let mut tally = Tally::default();
        let blocked = self.0.outbox.write(&mut tally);
        self.settled(tally, all);
        if let Some(batch) = blocked {
            self.0.link.runtime.spawn(self.clone().write_when_possible(batch));
        }
    }

    async fn write_when_possible(self, batch: Batch) {
        let mut blocked = Some(batch);
        while let Some(batch) = blocked {
            let goes_on = tokio::select! {
                goes_on = batch.writable() => goes_on,
                () = self.0.outbox.abandoned() => false,
            };
            if !goes_on {
                self.0.link.counters.add_dropped(batch.unwritten() + self.0.outbox.abandon());
                return;
            }
            let mut tally = Tally::default();
            blocked = self.0.outbox.resume(batch, &mut tally);
            self.written(tally);
        }
    }

    /// Takes note of what a transport has written that took it from the outbox, and has it still.
    pub(crate) fn written_by_transport(&self, tally: Tally) {
        self.0.outbox.sent().add(tally.messages, tally.payload);
        self.written(tally);
    }

    fn written(&self, tally: Tally) {
        let mut all = Tally::default();
        self.settled(tally, &mut all);
        self.0.link.counters.sent(all.messages, all.payload);
    }

    fn settled(&self, tally: Tally, all: &mut Tally) {
        all.messages += tally.messages;
        all.payload += tally.payload;
        if tally.broken {
            self.0.link.counters.add_dropped(tally.dropped + self.0.outbox.clear());
            self.begin_to_close(CloseReason::lost());
        }
    }

    /// What waits for `#[connect]` goes out from now on.
    pub(crate) fn open(&self) {
        if self.0.outbox.open() {
            cork::due(self);
        }
    }

    /// Asks the client for a sign of life.
    pub(crate) fn ping(&self) {
        if self.0.outbox.ping() {
            cork::due(self);
        }
    }

    /// Gives a sign of life.
    pub(crate) fn pong(&self, payload: Bytes) {
        let (has_room, called) = self.0.outbox.pong(payload);
        if called {
            cork::due(self);
        }
        if !has_room {
            self.write_now();
        }
    }

    /// Nothing more is sent: what is queued is written, then the close frame.
    pub(crate) fn end(&self, reason: CloseReason) {
        cork::settle();
        if self.0.outbox.end(reason) {
            cork::due(self);
        }
    }
}
