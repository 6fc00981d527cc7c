//! A stretch of handlers that run beside each other: from the first of them until none runs any more.
//!
//! They are futures of the session's own task and borrow its consumer, so nobody can have it for itself meanwhile: what
//! has to waits until the stretch has ended, and nothing that came after it begins before it. Most sessions are in no
//! stretch, and hold nothing for one.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::Consumer;
use super::answer::Request;
use super::beside::{Beside, Job};
use super::guard::Leaving;
use super::handle::{Failed, Waiting};
use super::handling::{Outcome, Work};
use super::inbox::{Arrival, Inbox, Received, Source};
use super::overlap::Overlap;
use super::reading::Read;
use super::session::{Next, Session, next, restarting};
use super::slots::{Obstacle, Slots};
use super::telling::ending;
use crate::close::{CloseReason, ClosedBy};
use crate::error::caught_now;
use crate::message::Message;
use crate::spans::Traced;

/// How many messages of a connection wait for one of the same order before it is read no further.
const MAX_WAITING: usize = 32;
/// How many bytes of them; one message of any allowed size always may.
const MAX_WAITING_BYTES: usize = 64 * 1024;
/// The place of an answer to what was refused before it had a handler: one at a time.
const REFUSAL: Overlap = Overlap::new(0, 1, None);

impl<C: Consumer> Session<C> {
    /// Begins a stretch with a message that overlaps; handles another alone.
    pub(super) fn beside_others<'a, R: Source>(
        &'a mut self,
        message: Message,
        span: Traced,
        inbox: &'a mut Inbox<'_, R>,
        cx: &mut task::Context<'_>,
    ) -> Work<'a> {
        let overlap = match overlap_of::<C>(&message, &span) {
            Ok(overlap) => overlap,
            Err(failed) => return Work::Failed(failed),
        };
        let Some(overlap) = overlap.filter(|_| self.consumer.shared().is_some()) else {
            return Work::begin(self.handling(message, span, inbox), cx);
        };
        let Self { consumer, connection, layer, state, middleware } = self;
        let Some(consumer) = consumer.shared() else { return Work::Done };
        let beside = Beside::<C> { consumer, connection, layer, state, middleware };
        let stretch = Stretch::of(beside, Held::Overlapping(Queued::new(message, overlap, span)));
        let work = async move {
            let deadline = &beside.layer.manager().deadline;
            deadline.run_until_cancelled(stretch.run(inbox)).await.ok_or_else(restarting)?
        };
        Work::Attended(work.boxed())
    }
}

/// A message that overlaps.
struct Queued {
    message: Message,
    overlap: Overlap,
    span: Traced,
}

impl Queued {
    /// In memory of its own: each of those that run beside each other would keep a whole buffer that others share.
    fn new(message: Message, overlap: Overlap, span: Traced) -> Self {
        Self { message: message.detached(), overlap, span }
    }
}

/// How a message runs beside others, where it may. What it is ordered by is read from its payload, by code that is the
/// application's: where that panics, the message is refused, and nobody handles it out of its order.
fn overlap_of<C: Consumer>(message: &Message, span: &Traced) -> Result<Option<Overlap>, Box<Failed>> {
    caught_now(|| Ok(C::overlap(message))).map_err(|error| {
        let _inside = span.entered();
        Failed::new(error, Request::of(message), Some(message.shared_name()))
    })
}

/// What was read and cannot begin now; nothing more is looked at before it.
enum Held {
    Overlapping(Queued),
    Refused(Box<Failed>),
    /// Needs the consumer for itself.
    Alone(Waiting),
}

/// What happened besides the handlers.
enum Heard {
    Arrived(Arrival),
    /// The connection ends: what is to be said of it, and whether the client's last words still count.
    Ends(CloseReason, bool),
    /// A write failed.
    Lost,
    /// Nothing that concerns the handlers.
    Nothing,
}

struct Stretch<'a, C: Consumer> {
    beside: Beside<'a, C>,
    slots: Slots,
    /// Those in whose way is one of the same order, as they came.
    waiting: VecDeque<Queued>,
    waiting_bytes: usize,
    held: Option<Held>,
    closing: Option<CloseReason>,
    is_lost: bool,
}

impl<'a, C: Consumer> Stretch<'a, C> {
    fn of(beside: Beside<'a, C>, first: Held) -> Self {
        let (slots, waiting) = (Slots::default(), VecDeque::new());
        Self { beside, slots, waiting, waiting_bytes: 0, held: Some(first), closing: None, is_lost: false }
    }

    async fn run<R: Source>(mut self, inbox: &mut Inbox<'_, R>) -> Result<Outcome, CloseReason> {
        let connection = self.beside.connection;
        let leaving = Leaving::of(self.beside.layer);
        let mut running = FuturesUnordered::new();
        connection.set_handling(true);
        loop {
            while let Some((job, overlap)) = self.next_to_begin() {
                running.push(self.beside.run(job, overlap, &leaving));
            }
            // Where nothing runs, nothing stands in the way of what overlaps.
            if running.is_empty() {
                break;
            }
            if let Some(since) = inbox.over_since() {
                leaving.begin(since);
            }
            tokio::select! {
                biased;
                Some((overlap, end)) = running.next() => {
                    self.slots.give_back(&overlap);
                    if let Some(reason) = end {
                        let was_last = overlap == REFUSAL && inbox.over_since().is_some();
                        self.close(reason, was_last);
                        leaving.begin(Instant::now());
                    }
                }
                heard = self.hear(inbox, &leaving) => match heard {
                    Heard::Arrived(arrival) => self.take(arrival),
                    Heard::Nothing => {}
                    Heard::Lost => {
                        self.is_lost = true;
                        leaving.begin(Instant::now());
                    }
                    Heard::Ends(reason, counts) => {
                        self.close(reason, counts);
                        leaving.begin(inbox.over_since().unwrap_or_else(Instant::now));
                    }
                },
            }
        }
        connection.set_handling(false);
        match (self.closing, self.held) {
            (Some(reason), _) => Err(reason),
            (None, Some(Held::Alone(waiting))) => Ok(Err(waiting)),
            (None, _) => Ok(Ok(())),
        }
    }

    /// Nothing more is read. What was read counts where it is the client that ends it.
    fn close(&mut self, reason: CloseReason, last_words_count: bool) {
        self.closing.get_or_insert(reason);
        if !last_words_count {
            self.waiting.clear();
            self.waiting_bytes = 0;
            self.held = None;
        }
    }

    /// What may begin now; who waits longest is asked first.
    fn next_to_begin(&mut self) -> Option<(Job, Overlap)> {
        for at in 0..self.waiting.len() {
            let overlap = self.waiting[at].overlap;
            if self.is_first_of_its_order(at, &overlap) && self.slots.take(&overlap).is_ok() {
                let Queued { message, span, .. } = self.waiting.remove(at)?;
                self.waiting_bytes -= message.size();
                return Some((Job::Message(message, span), overlap));
            }
        }
        match self.held.take()? {
            Held::Refused(failed) => match self.slots.take(&REFUSAL) {
                Ok(()) => Some((Job::Refused(failed), REFUSAL)),
                Err(_) => self.hold(Held::Refused(failed)),
            },
            Held::Overlapping(Queued { message, overlap, span }) => {
                let is_first = self.is_first_of_its_order(self.waiting.len(), &overlap);
                match if is_first { self.slots.take(&overlap) } else { Err(Obstacle::Order) } {
                    Ok(()) => Some((Job::Message(message, span), overlap)),
                    Err(Obstacle::Order) if self.has_room() => {
                        self.waiting_bytes += message.size();
                        self.waiting.push_back(Queued { message, overlap, span });
                        None
                    }
                    Err(_) => self.hold(Held::Overlapping(Queued { message, overlap, span })),
                }
            }
            alone @ Held::Alone(_) => self.hold(alone),
        }
    }

    fn hold<T>(&mut self, held: Held) -> Option<T> {
        self.held = Some(held);
        None
    }

    /// Whether none of those that waited before it is of the same order.
    fn is_first_of_its_order(&self, at: usize, overlap: &Overlap) -> bool {
        let is_same = |earlier: &Overlap| earlier.index == overlap.index && earlier.order == overlap.order;
        overlap.order.is_none() || !self.waiting.iter().take(at).any(|earlier| is_same(&earlier.overlap))
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING && self.waiting_bytes < MAX_WAITING_BYTES
    }

    /// Waits for the next frame where one may begin, and otherwise reads ahead, so that the client's end is seen.
    /// Cancel safe.
    async fn hear<R: Source>(&self, inbox: &mut Inbox<'_, R>, leaving: &Leaving) -> Heard {
        let mut lacks_room = false;
        if self.held.is_none() && self.closing.is_none() {
            // As in the session's own loop.
            tokio::task::coop::consume_budget().await;
            if self.is_lost {
                let arrival = poll_fn(|cx| inbox.poll_next(cx)).await;
                return arrival.map_or(Heard::Ends(CloseReason::lost(), true), Heard::Arrived);
            }
            match poll_fn(|cx| next(inbox, cx)).await {
                Next::Arrived(arrival) => return Heard::Arrived(arrival),
                Next::Lost => return Heard::Lost,
                Next::End(reason) => {
                    let is_gone = reason.closed_by() == ClosedBy::Lost;
                    return Heard::Ends(reason, is_gone);
                }
                // Not asked again below: by then there may be some, and nobody would be told of it.
                Next::NoRoom => lacks_room = true,
            }
        }
        let connection = self.beside.connection;
        let has_begun = leaving.has_begun();
        tokio::select! {
            biased;
            reason = connection.close_asked(), if !has_begun => match reason.closed_by() {
                ClosedBy::Lost => Heard::Lost,
                _ => Heard::Ends(reason, false),
            },
            () = connection.outbox().room(), if lacks_room => Heard::Nothing,
            () = inbox.read_ahead() => Heard::Nothing,
        }
    }

    fn take(&mut self, arrival: Arrival) {
        let _inside = self.beside.connection.span().entered();
        let reading = self.beside.reading();
        let read = match arrival.received {
            Received::Text(text) => reading.text(text, arrival.at),
            Received::Binary(data) => reading.binary(data, arrival.at),
            Received::Alive(_) | Received::Part => return,
            Received::Refused(error) => {
                // Where it closes it was the last, and what was read before it counts.
                if let Some(reason) = ending(&error) {
                    self.close(reason, true);
                }
                Read::failed(*error)
            }
            Received::Closed(frame) => return self.close(CloseReason::client(frame), true),
            Received::Broken(reason) => return self.close(reason, true),
        };
        self.held = match read {
            Read::Done => None,
            Read::Failed(failed) => Some(Held::Refused(failed)),
            Read::Message(message, span) => Some(match overlap_of::<C>(&message, &span) {
                Err(failed) => Held::Refused(failed),
                Ok(Some(overlap)) => Held::Overlapping(Queued::new(message, overlap, span)),
                Ok(None) => Held::Alone(Waiting::Message(Box::new(message.detached()), span)),
            }),
            Read::Raw(frame) => Some(Held::Alone(Waiting::Raw(frame.detached()))),
        };
    }
}
