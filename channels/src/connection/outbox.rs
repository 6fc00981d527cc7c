//! What waits to be written to one socket: bounded in messages and bytes.
//!
//! Whoever sends pushes here and goes on, so a client that does not read delays nobody. What was pushed is
//! written by whoever the lane calls: the sender itself, at the end of its burst, where the socket is a
//! [`Wire`]; otherwise a transport that [takes](Outbox::next) it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use super::batch::Batch;
use super::encoded::Rule;
use super::lane::{Cargo, Lane, Progress};
use super::latest::Latest;
use super::link::Link;
use super::queue::Queue;
use super::slot::Slot;
use super::told::{Dropped, dropped_frames};
use super::traffic::Traffic;
use super::wire::{Tally, Wire};
use crate::close::CloseReason;
use crate::message::OutboxPolicy;
use crate::websocket::{Chunk, OpCode, close_frame, control};

/// The size of an outbox, and what happens to a message that says nothing of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) policy: OutboxPolicy,
}

/// What became of a pushed chunk.
#[derive(Debug)]
pub(crate) enum Pushed {
    Queued,
    /// Queued, in the place of one that waited.
    Conflated,
    /// It did not fit, and its rule is to do without it.
    Dropped,
    /// It did not fit, and the connection has to be closed.
    Full,
    /// Several messages, and not all of them fit: nothing was done, they have to come one by one.
    TooMany,
    /// It did not fit, and the socket has not been asked yet: nothing was done, what waits has to be written first.
    Late(Chunk),
    /// The connection takes nothing any more.
    Closed,
    /// The same while its session has not ended yet, and it is a member still: its socket broke.
    Lost,
}

/// Who a message is for, besides this client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share<'a> {
    /// Nobody.
    Own,
    /// Others too; the group it is for, where it is for one.
    Others(Option<&'a str>),
}

/// Where the bytes go.
#[derive(Debug)]
enum Exit {
    /// A transport takes them.
    Pulled,
    Wire(Wire),
    /// A writer has the wire in hand.
    Away,
    /// Nowhere.
    Gone,
}

/// How many pings may wait for their answers.
const MAX_PONGS: usize = 32;

/// What a connection rarely has.
#[derive(Debug, Default)]
struct Extra {
    ping: bool,
    /// The payloads of pings to be answered.
    pongs: Vec<Bytes>,
    /// Messages that were dropped since they were last told.
    dropped: Dropped,
    /// Of the queue, where something in it has a slot.
    latest: Option<Latest>,
}

/// What groups, the user and everybody got before `#[connect]` ended: it waits, so that what the hook says comes
/// first.
#[derive(Debug, Default)]
struct Early {
    queue: Queue,
    latest: Option<Latest>,
    /// Told afterwards as well: the first that a client hears is what the hook says.
    dropped: Dropped,
}

#[derive(Debug)]
enum End {
    Open,
    /// The close frame is the last to be written.
    Due(Box<CloseReason>),
    /// A writer has it in hand.
    Taken,
    Written,
}

#[derive(Debug)]
struct Waiting {
    link: Arc<Link>,
    exit: Exit,
    queue: Queue,
    messages: usize,
    bytes: usize,
    /// `None` once `#[connect]` has ended.
    early: Option<Box<Early>>,
    extra: Option<Box<Extra>>,
    end: End,
    closed: bool,
    /// A message did not fit, and its rule is to close: nothing later goes out, so that the client
    /// sees no gap before it is closed.
    overflowed: bool,
}

impl Cargo for Waiting {
    type Load = Batch;

    fn is_waiting(&self) -> bool {
        !self.queue.is_empty() || self.extra.is_some() || matches!(self.end, End::Due(_))
    }

    fn load(&mut self) -> Option<Batch> {
        if !self.is_waiting() {
            return None;
        }
        let wire = match std::mem::replace(&mut self.exit, Exit::Away) {
            Exit::Wire(wire) => Some(wire),
            Exit::Pulled => {
                self.exit = Exit::Pulled;
                None
            }
            other => {
                self.exit = other;
                return None;
            }
        };
        let mut queue = std::mem::take(&mut self.queue);
        let early = self.early.as_deref().map(|early| &early.queue);
        self.messages = early.map_or(0, Queue::messages);
        self.bytes = early.map_or(0, |early| early.iter().map(|chunk| chunk.payload).sum());
        if let Some(mut extra) = self.extra.take() {
            if let Some(latest) = &mut extra.latest {
                latest.close_gaps(&mut queue);
            }
            // Control first: a load begins where a frame does.
            if extra.ping {
                queue.push_front(control(OpCode::Ping, &[]));
            }
            for pong in extra.pongs.iter().rev() {
                queue.push_front(control(OpCode::Pong, pong));
            }
            dropped_frames(&self.link, extra.dropped).for_each(|chunk| queue.push_back(chunk));
        }
        if let End::Due(reason) = &self.end {
            queue.push_back(close_frame(reason));
            self.end = End::Taken;
        }
        Some(Batch { wire, queue, broken: false })
    }

    fn unload(&mut self, batch: Batch) {
        if batch.broken || !batch.queue.is_empty() {
            self.give_up();
            return;
        }
        if let (Some(wire), Exit::Away) = (batch.wire, &self.exit) {
            self.exit = Exit::Wire(wire);
        }
        if matches!(self.end, End::Taken) {
            self.end = End::Written;
        }
    }
}

impl Waiting {
    /// Nothing will ever be written again. Dropped, a wire shuts down: whoever reads sees the end.
    fn give_up(&mut self) {
        self.exit = Exit::Gone;
        self.closed = true;
        self.end = End::Written;
        self.extra = None;
    }

    /// Whether half of it is free.
    fn has_room(&self) -> bool {
        let limits = self.link.outbox;
        let half = self.messages <= limits.messages / 2 && self.bytes <= limits.bytes / 2;
        half || self.queue.is_empty() || self.closed
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Where is noted what the client did not get.
    fn dropped(&mut self) -> &mut Dropped {
        match &mut self.early {
            Some(early) => &mut early.dropped,
            None => &mut self.extra.get_or_insert_default().dropped,
        }
    }

    fn push(&mut self, chunk: Chunk, share: Share<'_>, rule: Rule<'_>, may_be_late: bool) -> Pushed {
        if self.closed {
            return Pushed::Closed;
        }
        let is_early = self.early.is_some() && matches!(share, Share::Others(_));
        let replaced = if let Rule::Latest(slot) = rule { self.waiting(is_early, slot) } else { None };
        let OutboxLimits { messages: most, bytes: most_bytes, .. } = self.link.outbox;
        let messages = self.messages + chunk.messages as usize - usize::from(replaced.is_some());
        let bytes = (self.bytes - replaced.unwrap_or_default()).saturating_add(chunk.payload);
        let times = if matches!(rule, Rule::Reserved) { 2 } else { 1 };
        // One message of any size fits an empty outbox.
        let fits = messages == 1
            || matches!(rule, Rule::Last)
            || (messages <= most.saturating_mul(times) && bytes <= most_bytes.saturating_mul(times));
        if self.overflowed || !fits {
            if may_be_late && !self.overflowed && matches!(self.exit, Exit::Wire(_)) && !self.queue.is_empty() {
                return Pushed::Late(chunk);
            }
            if chunk.messages > 1 {
                return Pushed::TooMany;
            }
            // Of the latest the last is never dropped: the client would have what is outdated for ever.
            if !self.overflowed && matches!(rule, Rule::DropNewest) {
                let group = if let Share::Others(group) = share { group } else { None };
                self.dropped().add(group, 1);
                return Pushed::Dropped;
            }
            self.overflowed = true;
            return Pushed::Full;
        }
        (self.messages, self.bytes) = (messages, bytes);
        if let Rule::Latest(slot) = rule {
            let (queue, latest) = self.indexed(is_early);
            latest.push(queue, slot.clone(), chunk);
        } else if let (Some(early), true) = (&mut self.early, is_early) {
            early.queue.push_back(chunk);
        } else {
            self.queue.push_back(chunk);
        }
        if replaced.is_some() { Pushed::Conflated } else { Pushed::Queued }
    }

    /// How many bytes of payload wait in a slot, where something does.
    fn waiting(&self, is_early: bool, slot: &Slot) -> Option<usize> {
        match (&self.early, &self.extra) {
            (Some(early), _) if is_early => early.latest.as_ref()?.waiting(&early.queue, slot),
            (_, Some(extra)) => extra.latest.as_ref()?.waiting(&self.queue, slot),
            _ => None,
        }
    }

    /// A queue and its index.
    fn indexed(&mut self, is_early: bool) -> (&mut Queue, &mut Latest) {
        match &mut self.early {
            Some(early) if is_early => (&mut early.queue, early.latest.get_or_insert_default()),
            _ => (&mut self.queue, self.extra.get_or_insert_default().latest.get_or_insert_default()),
        }
    }

    /// What came early follows what the hook said.
    fn open(&mut self) {
        let Some(early) = self.early.take() else { return };
        if let Some(latest) = early.latest {
            let first = self.queue.len();
            self.indexed(false).1.append(latest, first);
        }
        self.queue.append(early.queue);
        if !early.dropped.is_empty() {
            self.extra().dropped = early.dropped;
        }
    }

    /// Throws away what waits; how many messages that were.
    fn clear(&mut self) -> usize {
        (self.messages, self.bytes) = (0, 0);
        if let Some(extra) = &mut self.extra {
            extra.latest = None;
        }
        let queued = std::mem::take(&mut self.queue).messages();
        queued + self.early.take().map_or(0, |early| early.queue.messages())
    }
}

#[derive(Debug)]
pub(crate) struct Outbox {
    lane: Lane<Waiting>,
    /// Who takes what waits, or waits for the socket: there is something to take, or nobody wants it any more.
    writer: AtomicWaker,
    /// The session's task: something was written, so there may be room, or it was the last; or somebody asks it to end.
    /// One for both, since a task that looks in vain costs less than a waker of each idle connection.
    session: AtomicWaker,
    /// What was written. Whoever writes counts, and one does at a time.
    sent: Traffic,
    /// Set under the lock where half of it is full, unset under the lock where it is not; so whoever sees that it is
    /// not set needs no lock to know of room.
    crowded: AtomicBool,
    /// The session waits for what is written. Set before it looks under the lock, and looked at after the lock was
    /// held for what was written: so one of the two sees the other.
    asked: AtomicBool,
}

impl Outbox {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let waiting = Waiting {
            link,
            exit: Exit::Pulled,
            queue: Queue::Empty,
            messages: 0,
            bytes: 0,
            early: Some(Box::default()),
            extra: None,
            end: End::Open,
            closed: false,
            overflowed: false,
        };
        Self {
            lane: Lane::new(waiting),
            writer: AtomicWaker::new(),
            session: AtomicWaker::new(),
            sent: Traffic::default(),
            crowded: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }
    }

    /// From now on what is pushed is written to this socket by whoever the lane calls.
    pub(super) fn attach(&self, wire: Wire) {
        self.lane.change(|waiting| waiting.exit = Exit::Wire(wire));
    }

    /// Changes what waits; whether the caller has to see to it that it is written.
    fn change<R>(&self, change: impl FnOnce(&mut Waiting) -> R) -> (R, bool) {
        let looked = |waiting: &mut Waiting| {
            let result = change(waiting);
            if !waiting.has_room() {
                self.crowded.store(true, Ordering::Relaxed);
            }
            (result, matches!(waiting.exit, Exit::Pulled))
        };
        let ((result, pulled), called) = self.lane.change(looked);
        if called && pulled {
            self.writer.wake();
        }
        (result, called && !pulled)
    }

    /// Queues a chunk; whether the caller has to see to it that it is written. [`Pushed::Late`] comes only where
    /// it may be.
    pub(super) fn push(&self, chunk: Chunk, share: Share<'_>, rule: Rule<'_>, may_be_late: bool) -> (Pushed, bool) {
        self.change(|waiting| waiting.push(chunk, share, rule, may_be_late))
    }

    /// Has the client told of messages that were dropped elsewhere; whether the caller has to see to it.
    pub(super) fn tell_dropped(&self, group: Option<&str>, messages: usize) -> bool {
        let tell = |waiting: &mut Waiting| {
            if !waiting.closed {
                waiting.dropped().add(group, messages);
            }
        };
        self.change(tell).1
    }

    /// From now on shared messages go out as they come.
    pub(super) fn open(&self) -> bool {
        self.change(Waiting::open).1
    }

    /// Asks for a WebSocket ping; several at once are one.
    pub(super) fn ping(&self) -> bool {
        self.change(|waiting| {
            if !waiting.closed {
                waiting.extra().ping = true;
            }
        })
        .1
    }

    /// Answers a ping; of too many that wait, the latest takes the place of the one before it, as the protocol
    /// allows. Whether there is room for another, or whoever makes room does so in its own time, and whether the
    /// caller has to see to it that it is written.
    pub(super) fn pong(&self, payload: Bytes) -> (bool, bool) {
        self.change(|waiting| {
            if waiting.closed {
                return true;
            }
            let pongs = &mut waiting.extra().pongs;
            pongs.truncate(MAX_PONGS - 1);
            pongs.push(payload);
            // What a transport takes is not for the caller to write.
            pongs.len() < MAX_PONGS || matches!(waiting.exit, Exit::Pulled)
        })
    }

    /// Nothing more comes: what is queued is written, then this close frame.
    pub(super) fn end(&self, reason: CloseReason) -> bool {
        let end = |waiting: &mut Waiting| {
            if !waiting.closed {
                waiting.closed = true;
                waiting.end = End::Due(Box::new(reason));
            }
        };
        self.change(end).1
    }

    /// Throws away what is queued and says how much that was: the client will not get it.
    pub(crate) fn clear(&self) -> usize {
        self.lane.change(Waiting::clear).0
    }

    /// Nobody will read any more: whoever waits for the socket gives up. Says how many messages were thrown
    /// away, those in a writer's hand not included.
    pub(crate) fn abandon(&self) -> usize {
        let abandon = |waiting: &mut Waiting| {
            waiting.give_up();
            waiting.clear()
        };
        let cleared = self.lane.change(abandon).0;
        self.writer.wake();
        cleared
    }

    /// Waits until it is abandoned. Cancel safe; one waiter at a time, and only where nobody waits in [`Outbox::next`].
    pub(super) async fn abandoned(&self) {
        let gone = || self.lane.look(|waiting| matches!(waiting.exit, Exit::Gone)).then_some(());
        poll_fn(|cx| poll_when(&self.writer, cx, gone)).await;
    }

    /// Writes what waits, unless somebody else is at it; a batch that the socket does not take now is handed back.
    pub(super) fn write(&self, tally: &mut Tally) -> Option<Batch> {
        let blocked = self.lane.write(|batch| self.step(batch, tally));
        self.tell_written();
        blocked
    }

    /// Goes on with a batch that was handed back.
    pub(super) fn resume(&self, batch: Batch, tally: &mut Tally) -> Option<Batch> {
        let blocked = self.lane.resume(batch, |batch| self.step(batch, tally));
        self.tell_written();
        blocked
    }

    fn step(&self, batch: &mut Batch, tally: &mut Tally) -> Progress {
        let (messages, payload) = (tally.messages, tally.payload);
        let progress = batch.write(tally);
        self.sent.add(tally.messages - messages, tally.payload - payload);
        progress
    }

    /// What waits, without what a writer has in hand: messages, and bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        self.lane.look(|waiting| (waiting.messages, waiting.bytes))
    }

    /// What was written so far.
    pub(super) fn sent(&self) -> &Traffic {
        &self.sent
    }

    fn tell_written(&self) {
        if self.asked.load(Ordering::Relaxed) {
            self.session.wake();
        }
    }

    /// Whether the socket is gone, or the close frame written.
    pub(crate) fn is_finished(&self) -> bool {
        self.lane.look(|waiting| matches!((&waiting.exit, &waiting.end), (Exit::Gone, _) | (_, End::Written)))
    }

    /// Waits until nothing more will be written. Cancel safe; one waiter at a time, and not beside [`Outbox::room`].
    pub(crate) async fn finished(&self) {
        self.until(Self::is_finished).await;
    }

    /// Waits until half of it is free: a client's next request is read when its answer has room. Cancel
    /// safe; one waiter at a time.
    pub(crate) async fn room(&self) {
        self.until(Self::has_room).await;
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        if reached(self) {
            return;
        }
        self.asked.store(true, Ordering::Relaxed);
        poll_fn(|cx| poll_when(&self.session, cx, || reached(self).then_some(()))).await;
        self.asked.store(false, Ordering::Relaxed);
    }

    pub(crate) fn has_room(&self) -> bool {
        if !self.crowded.load(Ordering::Relaxed) {
            return true;
        }
        self.lane.look(|waiting| {
            let has_room = waiting.has_room();
            self.crowded.store(!has_room, Ordering::Relaxed);
            has_room
        })
    }

    /// Waits for the next batch. Cancel safe: a batch is taken only in the poll that returns it. One waiter at a
    /// time; what was taken goes back by [`Outbox::done`].
    pub(crate) async fn next(&self) -> Batch {
        poll_fn(|cx| poll_when(&self.writer, cx, || self.lane.take())).await
    }

    /// The session's task, to be woken also where it is asked to end.
    pub(super) fn session(&self) -> &AtomicWaker {
        &self.session
    }

    /// A batch from [`Outbox::next`] has been written, or given up.
    pub(crate) fn done(&self, batch: Batch) {
        self.lane.put(batch);
        self.tell_written();
    }
}

/// Looks, and again once it is known who is to be woken: what changes in between is seen, or wakes.
fn poll_when<T>(waker: &AtomicWaker, cx: &Context<'_>, mut look: impl FnMut() -> Option<T>) -> Poll<T> {
    if let Some(found) = look() {
        return Poll::Ready(found);
    }
    waker.register(cx.waker());
    look().map_or(Poll::Pending, Poll::Ready)
}

#[cfg(test)]
mod tests;
