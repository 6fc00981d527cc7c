//! What waits to be written to one socket: bounded in messages and bytes.
//!
//! Whoever sends only ever pushes here and goes on, so a client that does not read delays nobody.
//! The transport takes what is there in one go and writes it together.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::close::CloseReason;
use crate::message::Frame;

/// What happens when a message does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxPolicy {
    /// The connection is closed with 4413: the client reconnects and asks for what it missed.
    #[default]
    Close,
    /// The new message is dropped, counted, and the client told by `$dropped` where it negotiated
    /// the extras.
    DropNewest,
}

/// The size of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) policy: OutboxPolicy,
}

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Queued,
    /// It did not fit; what follows is the policy's.
    Full,
    /// The connection takes nothing any more.
    Closed,
}

/// What the transport writes next: control first, then frames, then the end.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) ping: bool,
    pub(crate) frames: VecDeque<Frame>,
    /// Messages that the policy dropped since the last batch, by the group they were for.
    pub(crate) dropped: Dropped,
    pub(crate) end: Option<CloseReason>,
}

/// Counts by group; `None` stands for what was for no group. As many entries as groups, at most.
pub(crate) type Dropped = Vec<(Option<Box<str>>, u64)>;

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// What groups, the user and everybody got before `#[connect]` ended: it waits, so that what the
    /// hook says comes first. `None` afterwards.
    early: Option<VecDeque<Frame>>,
    bytes: usize,
    ping: bool,
    dropped: Dropped,
    end: Option<CloseReason>,
    closed: bool,
    /// A message did not fit, and the policy is to close: nothing later goes out, so that the client
    /// sees no gap before it is closed.
    overflowed: bool,
}

impl Queue {
    fn drop_for(&mut self, group: Option<&str>) {
        match self.dropped.iter_mut().find(|(of, _)| of.as_deref() == group) {
            Some((_, count)) => *count += 1,
            None => self.dropped.push((group.map(Box::from), 1)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    /// Keeps `bytes` the sum over `frames`, and nothing queued after `closed`.
    queue: Mutex<Queue>,
    /// There is something to take.
    ready: Notify,
    /// Something was taken: there may be room.
    taken: Notify,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        let queue = Queue { early: Some(VecDeque::new()), ..Queue::default() };
        Self { limits, queue: Mutex::new(queue), ready: Notify::new(), taken: Notify::new() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame for this client alone. One frame of any size fits an empty outbox.
    pub(crate) fn push(&self, frame: Frame) -> Pushed {
        let queue = self.queue();
        self.push_into(queue, frame, None)
    }

    /// Queues a frame that others get too; before [`Outbox::open`] it waits.
    pub(crate) fn push_shared(&self, frame: Frame, group: Option<&str>) -> Pushed {
        let queue = self.queue();
        self.push_into(queue, frame, Some(group))
    }

    /// From now on shared frames go out as they come.
    pub(crate) fn open(&self) {
        let mut queue = self.queue();
        let early = queue.early.take().unwrap_or_default();
        queue.frames.extend(early);
        drop(queue);
        self.ready.notify_one();
    }

    fn push_into(&self, mut queue: MutexGuard<'_, Queue>, frame: Frame, shared: Option<Option<&str>>) -> Pushed {
        if queue.closed {
            return Pushed::Closed;
        }
        let bytes = queue.bytes.saturating_add(frame.len());
        let messages = queue.frames.len() + queue.early.as_ref().map_or(0, VecDeque::len);
        let fits = messages == 0 || (messages < self.limits.messages && bytes <= self.limits.bytes);
        if queue.overflowed || !fits {
            match self.limits.policy {
                OutboxPolicy::Close => queue.overflowed = true,
                OutboxPolicy::DropNewest => queue.drop_for(shared.flatten()),
            }
            return Pushed::Full;
        }
        queue.bytes = bytes;
        if let Some(early) = queue.early.as_mut().filter(|_| shared.is_some()) {
            early.push_back(frame);
            return Pushed::Queued;
        }
        queue.frames.push_back(frame);
        let first = queue.frames.len() == 1;
        drop(queue);
        if first {
            self.ready.notify_one();
        }
        Pushed::Queued
    }

    pub(crate) fn policy(&self) -> OutboxPolicy {
        self.limits.policy
    }

    /// Asks for a WebSocket ping; several at once are one.
    pub(crate) fn ping(&self) {
        self.queue().ping = true;
        self.ready.notify_one();
    }

    /// Nothing more comes: the transport writes what is queued, then this close frame.
    pub(crate) fn end(&self, reason: CloseReason) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.closed = true;
            queue.end = Some(reason);
        }
        drop(queue);
        self.ready.notify_one();
    }

    /// Throws away what is queued and says how much that was: the client will not get it.
    pub(crate) fn clear(&self) -> usize {
        let mut queue = self.queue();
        queue.bytes = 0;
        std::mem::take(&mut queue.frames).len() + queue.early.take().map_or(0, |early| early.len())
    }

    /// Waits until half of it is free: a client's next request is read when its answer has room. Cancel
    /// safe; one waiter at a time.
    pub(crate) async fn room(&self) {
        while !self.has_room() {
            self.taken.notified().await;
        }
    }

    fn has_room(&self) -> bool {
        let queue = self.queue();
        let half = queue.frames.len() <= self.limits.messages / 2 && queue.bytes <= self.limits.bytes / 2;
        half || queue.frames.is_empty() || queue.closed
    }

    /// What there is to write now.
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut queue = self.queue();
        if queue.frames.is_empty() && !queue.ping && queue.dropped.is_empty() && queue.end.is_none() {
            return None;
        }
        queue.bytes = queue.early.iter().flatten().map(Frame::len).sum();
        self.taken.notify_one();
        Some(Batch {
            ping: std::mem::take(&mut queue.ping),
            frames: std::mem::take(&mut queue.frames),
            dropped: std::mem::take(&mut queue.dropped),
            end: queue.end.take(),
        })
    }

    /// Waits for the next batch. Cancel safe: a batch is taken only in the poll that returns it.
    /// One waiter at a time.
    pub(crate) async fn next(&self) -> Batch {
        loop {
            if let Some(batch) = self.take() {
                return batch;
            }
            self.ready.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::close::CloseCode;

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        Outbox::new(OutboxLimits { messages, bytes, policy: OutboxPolicy::Close })
    }

    fn frame(len: usize) -> Frame {
        Frame::Binary(Bytes::from(vec![0; len]))
    }

    #[test]
    fn it_is_bounded_in_messages() {
        let outbox = outbox(2, 1000);
        assert_eq!(outbox.push(frame(1)), Pushed::Queued);
        assert_eq!(outbox.push(frame(1)), Pushed::Queued);
        assert_eq!(outbox.push(frame(1)), Pushed::Full);
        assert_eq!(outbox.take().unwrap().frames.len(), 2);
    }

    #[test]
    fn what_follows_a_message_that_did_not_fit_does_not_go_out_either() {
        let outbox = outbox(1, 1000);
        outbox.push(frame(1));
        assert_eq!(outbox.push(frame(2)), Pushed::Full);
        outbox.take().unwrap();
        assert_eq!(outbox.push(frame(3)), Pushed::Full);
        assert!(outbox.take().is_none());
    }

    #[test]
    fn it_is_bounded_in_bytes_but_takes_one_of_any_size() {
        let outbox = outbox(100, 10);
        assert_eq!(outbox.push(frame(1000)), Pushed::Queued);
        outbox.take().unwrap();
        assert_eq!(outbox.push(frame(6)), Pushed::Queued);
        assert_eq!(outbox.push(frame(4)), Pushed::Queued);
        assert_eq!(outbox.push(frame(1)), Pushed::Full);
    }

    #[test]
    fn what_others_get_too_waits_until_the_connect_hook_has_spoken() {
        let outbox = outbox(3, 100);
        assert_eq!(outbox.push_shared(frame(2), None), Pushed::Queued);
        assert_eq!(outbox.push(frame(1)), Pushed::Queued);
        assert_eq!(outbox.take().unwrap().frames, [frame(1)]);
        assert_eq!(outbox.push_shared(frame(3), None), Pushed::Queued);
        outbox.open();
        assert_eq!(outbox.push_shared(frame(4), None), Pushed::Queued);
        assert_eq!(outbox.push_shared(frame(5), None), Pushed::Full);
        assert_eq!(outbox.take().unwrap().frames, [frame(2), frame(3), frame(4)]);
    }

    #[tokio::test]
    async fn what_was_queued_before_the_end_is_still_written() {
        let outbox = outbox(10, 10);
        outbox.push(frame(1));
        outbox.end(CloseReason::server(CloseCode::SERVICE_RESTART, "bye"));
        assert_eq!(outbox.push(frame(1)), Pushed::Closed);
        let batch = outbox.next().await;
        assert_eq!(batch.frames.len(), 1);
        assert_eq!(batch.end.unwrap().code(), CloseCode::SERVICE_RESTART);
    }
}
