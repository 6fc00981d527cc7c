//! What was read and not yet handled: bounded, so that a slow handler slows its own client.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use bytestring::ByteString;
use tokio::time::Instant;

use super::metered::{charge, metered};
use crate::close::{CloseCode, CloseReason};
use crate::config::LimitName;
use crate::connection::Connection;
use crate::error::Error;

/// How many messages are read ahead while a handler runs, so that a close or pong behind them is seen.
const READ_AHEAD_MESSAGES: usize = 32;
/// How many bytes are read ahead; one message of any allowed size always is.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// What a transport reads.
#[derive(Debug)]
pub(crate) enum Received {
    Text(ByteString),
    Binary(Bytes),
    /// A ping or pong with so many bytes: life, and nothing to do; the transport answers pings.
    Alive(usize),
    /// More of a message that is not complete, where that is counted.
    Part,
    /// The client's close frame.
    Closed(Option<(u16, String)>),
    /// The client broke the protocol; this server closes.
    Broken(CloseReason),
    /// It was refused before anything was made of it, and this is the answer; where it closes, nothing follows.
    Refused(Box<Error>),
}

/// The reading side of a transport.
pub(crate) trait Source: Send {
    /// The next one; `None` when the connection was lost. What earlier ones made others send is flushed before
    /// it waits.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>>;

    /// What has come of a message that is not complete.
    fn progress(&mut self) -> Progress {
        Progress::default()
    }
}

/// How far a message has come that is not complete.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// How many frames only continued a message since this was last asked, of those before it, too.
    pub(crate) fragments: u32,
    /// All its bytes, as they came; also of one that turned out to be none.
    pub(crate) bytes: usize,
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        (**self).poll_next(cx)
    }

    fn progress(&mut self) -> Progress {
        (**self).progress()
    }
}

impl Received {
    /// Whether nothing that follows is read.
    fn is_last(&self) -> bool {
        match self {
            Self::Closed(_) | Self::Broken(_) => true,
            Self::Refused(error) => error.should_disconnect(),
            Self::Text(_) | Self::Binary(_) | Self::Alive(_) | Self::Part => false,
        }
    }

    /// The same in memory of its own, to be kept: what was just read may lie in a buffer that others share.
    fn detached(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(ByteString::from(&*text)),
            Self::Binary(data) => Self::Binary(Bytes::copy_from_slice(&data)),
            other => other,
        }
    }
}

/// What was read, and when: a message may wait for the handler of the one before it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) received: Received,
}

/// The reading side of a session. A stream that ends without a close frame was lost.
pub(super) struct Inbox<'a, R: Source> {
    from: &'a mut R,
    connection: Connection,
    /// Boxed, since most connections never have one.
    ahead: Option<Box<Ahead>>,
    /// Boxed as well: they are known for moments only.
    ends: Option<Box<Ends>>,
}

/// When it began to end.
#[derive(Default)]
struct Ends {
    /// The client has left, or was cut off.
    over: Option<Instant>,
    /// Nothing was there to be read where nothing could be written.
    lost: Option<Instant>,
}

/// What was read while a handler ran.
#[derive(Default)]
struct Ahead {
    queue: VecDeque<Arrival>,
    bytes: usize,
}

impl Ahead {
    fn push(&mut self, arrival: Arrival) {
        self.bytes += size(&arrival.received);
        self.queue.push_back(arrival);
    }

    fn pop(&mut self) -> Option<Arrival> {
        let arrival = self.queue.pop_front()?;
        self.bytes -= size(&arrival.received);
        Some(arrival)
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= READ_AHEAD_MESSAGES || self.bytes >= READ_AHEAD_BYTES
    }
}

impl<'a, R: Source> Inbox<'a, R> {
    pub(super) fn new(from: &'a mut R, connection: Connection) -> Self {
        Self { from, connection, ahead: None, ends: None }
    }

    /// The next one, `None` when the connection was lost.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
        if let Some(ahead) = &mut self.ahead {
            match ahead.pop() {
                Some(arrival) => return Poll::Ready(Some(arrival)),
                None => self.ahead = None,
            }
        }
        self.poll_read(cx)
    }

    /// Reads one more while there is room; waits for ever where there is none. Cancel safe.
    pub(super) async fn read_ahead(&mut self) {
        if self.is_over() || self.ahead.as_ref().is_some_and(|ahead| ahead.is_full()) {
            return std::future::pending().await;
        }
        // Frames that were read together come without the runtime's having a say.
        tokio::task::coop::consume_budget().await;
        if let Some(arrival) = poll_fn(|cx| self.poll_read(cx)).await
            && !matches!(arrival.received, Received::Alive(_) | Received::Part)
        {
            self.ahead.get_or_insert_default().push(Arrival { received: arrival.received.detached(), ..arrival });
        }
    }

    /// Whose it is.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// When the client left, if it has; what it sent before may still be queued.
    pub(super) fn over_since(&self) -> Option<Instant> {
        self.ends.as_ref()?.over
    }

    /// Since when what the client said before it was lost is waited for: from the first call on.
    pub(super) fn lost_since(&mut self) -> Instant {
        *self.ends.get_or_insert_default().lost.get_or_insert_with(Instant::now)
    }

    fn over(&mut self, at: Instant) {
        self.ends.get_or_insert_default().over = Some(at);
    }

    fn is_over(&self) -> bool {
        self.over_since().is_some()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
        if self.is_over() {
            return Poll::Ready(None);
        }
        let received = ready!(self.from.poll_next(cx));
        let at = Instant::now();
        self.note(received.as_ref(), at);
        let received = match (received, &self.connection.link().metering) {
            // What came with the end is charged when this is dropped: who asks for its fragments now takes them from there.
            (Some(received), Some(metering)) if !received.is_last() => {
                Some(metered(&self.connection, metering, received, self.from.progress(), at))
            }
            (received, _) => received,
        };
        if received.as_ref().is_none_or(Received::is_last) {
            self.over(at);
        }
        Poll::Ready(received.map(|received| Arrival { at, received }))
    }

    fn note(&self, received: Option<&Received>, at: Instant) {
        match received {
            None | Some(Received::Closed(_)) => {}
            Some(Received::Broken(reason)) => {
                if reason.code() == CloseCode::MESSAGE_TOO_BIG {
                    self.connection.link().counters.exceeded(LimitName::MessageSize, false);
                }
            }
            Some(Received::Alive(_) | Received::Part | Received::Refused(_)) => self.connection.heard(at),
            Some(data) => {
                self.connection.heard(at);
                self.connection.received(size(data));
            }
        }
    }
}

/// Whatever ended it: what a message has brought that was never complete has come as well, and whoever comes back pays for it.
impl<R: Source> Drop for Inbox<'_, R> {
    fn drop(&mut self) {
        if let Some(metering) = &self.connection.link().metering {
            charge(&self.connection, metering, self.from.progress());
        }
    }
}

pub(super) fn size(received: &Received) -> usize {
    match received {
        Received::Text(text) => text.len(),
        Received::Binary(data) => data.len(),
        Received::Alive(_) | Received::Part | Received::Closed(_) | Received::Broken(_) | Received::Refused(_) => 0,
    }
}
