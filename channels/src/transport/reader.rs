//! Bytes into messages.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use crate::close::CloseReason;
use crate::connection::{Connection, cork};
use crate::consumer::{Progress, Received, Source};
use crate::error::Error;
use crate::websocket::{Decoder, Event, Rules};

/// How much is read at once, into a buffer that all connections of a thread share.
const READ_BYTES: usize = 64 * 1024;
/// So many frames that only continue a message, and bring nothing, are told of before it ends, where frames are counted.
const TELL_FRAGMENTS: u16 = 64;
/// Reads up to this size are kept in memory that connections share, until their messages are handled. It is
/// also what one message that somebody keeps may hold back.
const SHARED_BYTES: usize = 4096;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
    static SHARED: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The reading half of a socket. Between two messages it holds no buffer.
pub(super) struct Reader<R> {
    half: R,
    connection: Connection,
    decoder: Decoder,
    /// What was read and not decoded.
    pending: BytesMut,
    /// It has been noted that a message is half-way.
    is_half_way: bool,
    state: State,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The client sent its close frame.
    Closed,
    /// The client broke the protocol, or was refused: what follows means nothing.
    Broken,
    /// There is nothing more to read.
    Over,
}

impl<R: AsyncRead + Unpin + Send> Reader<R> {
    /// `read` is what somebody else has read of it already.
    pub(super) fn new(half: R, connection: Connection, rules: Rules, read: &[u8]) -> Self {
        let pending = BytesMut::from(read);
        Self { half, connection, decoder: Decoder::new(rules), pending, is_half_way: false, state: State::Open }
    }

    /// Whether the client broke the protocol, or was refused.
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Reads on until the client says goodbye, and makes nothing of what comes before it.
    pub(super) async fn until_closed(&mut self) {
        while matches!(self.state, State::Open) {
            tokio::task::coop::consume_budget().await;
            if std::future::poll_fn(|cx| self.poll_next(cx)).await.is_none() {
                return;
            }
            // Nobody counts it any more; what is not asked for would be told again and again.
            self.progress();
        }
    }

    /// Reads and throws away until there is nothing more: a socket that is closed with something unread is reset, which
    /// may overtake the close frame.
    pub(super) async fn discard(&mut self) {
        self.pending = BytesMut::new();
        self.decoder.forget();
        while std::future::poll_fn(|cx| self.poll_read(cx, |_, _| Ok(()))).await.is_ok_and(|read| read > 0) {}
    }

    /// Reads once and looks at it.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        look: impl FnOnce(&mut Self, &mut [u8]) -> Result<(), CloseReason>,
    ) -> Poll<Result<usize, CloseReason>> {
        READ.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match ready!(Pin::new(&mut self.half).poll_read(cx, &mut buffer)) {
                Ok(()) => {}
                Err(error) => {
                    tracing::debug!(connection = %self.connection.id(), %error, "cannot read");
                    return Poll::Ready(Ok(0));
                }
            }
            let read = buffer.filled_mut();
            look(self, read)?;
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Keeps what was read until it is decoded; the payload of a message that is half-way goes straight to it.
    fn keep(&mut self, read: &mut [u8]) -> Result<(), CloseReason> {
        let taken = if self.pending.is_empty() { self.decoder.absorb(read)? } else { 0 };
        let rest = &read[taken..];
        if self.pending.is_empty() && rest.len() <= SHARED_BYTES {
            self.pending = shared(rest);
        } else {
            self.pending.extend_from_slice(rest);
        }
        Ok(())
    }

    /// A message that never ends must not come for nothing.
    fn has_progressed(&mut self) -> bool {
        (self.decoder.has_more() || *self.decoder.fragments() >= TELL_FRAGMENTS)
            && self.connection.link().metering.is_some()
    }

    /// Notes a message that is half-way, for the sweep that ends what takes too long.
    fn note_unfinished(&mut self) {
        if !self.is_half_way && (self.decoder.is_inside() || !self.pending.is_empty()) {
            self.is_half_way = true;
            self.connection.set_unfinished(Some(Instant::now()));
        }
    }

    /// Takes the memory of a message that is half-way of what all have together. Where there is not enough, nothing more is read.
    fn hold(&mut self) -> Result<(), Error> {
        let held = self.decoder.hold(&self.connection.link().unfinished, self.connection.id());
        if held.is_err() {
            (self.state, self.pending) = (State::Broken, BytesMut::new());
            self.connection.set_unfinished(None);
        }
        held
    }

    fn received(&mut self, event: Event) -> Received {
        match event {
            Event::Text(text) => Received::Text(text),
            Event::Binary(data) => Received::Binary(data),
            Event::Ping(payload) => {
                let bytes = payload.len();
                self.connection.pong(payload);
                Received::Alive(bytes)
            }
            Event::Pong(bytes) => Received::Alive(bytes),
            Event::Close(frame) => {
                self.state = State::Closed;
                Received::Closed(frame)
            }
        }
    }

    fn broken(&mut self, reason: CloseReason) -> Received {
        self.state = State::Broken;
        self.pending = BytesMut::new();
        Received::Broken(reason)
    }
}

impl<R: AsyncRead + Unpin + Send> Source for Reader<R> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        if self.state != State::Open {
            return Poll::Ready(None);
        }
        loop {
            match self.decoder.decode(&mut self.pending) {
                Ok(Some(event)) => {
                    // A control frame between two fragments ends no message.
                    if self.is_half_way && !self.decoder.is_inside() {
                        self.is_half_way = false;
                        self.connection.set_unfinished(None);
                    }
                    return Poll::Ready(Some(self.received(event)));
                }
                Ok(None) if self.has_progressed() => return Poll::Ready(Some(Received::Part)),
                Ok(None) => {}
                Err(reason) => return Poll::Ready(Some(self.broken(reason))),
            }
            // What comes whole in one read is never half-way.
            if self.decoder.is_inside()
                && let Err(error) = self.hold()
            {
                return Poll::Ready(Some(Received::Refused(Box::new(error))));
            }
            // A piece of a header, or nothing: what it was read with is for others again.
            self.pending = BytesMut::from(&self.pending[..]);
            self.note_unfinished();
            cork::flush();
            match ready!(self.poll_read(cx, Self::keep)) {
                Ok(0) => {
                    self.state = State::Over;
                    return Poll::Ready(None);
                }
                // Part of a message is life too; a whole one is noted by whoever gets it.
                Ok(_) if self.is_half_way => self.connection.heard(Instant::now()),
                Ok(_) => {}
                Err(reason) => return Poll::Ready(Some(self.broken(reason))),
            }
        }
    }

    fn progress(&mut self) -> Progress {
        let fragments = std::mem::take(self.decoder.fragments()).into();
        Progress { fragments, bytes: self.decoder.unfinished() }
    }
}

/// A copy in memory that others share: once they all have dropped theirs, it is used again.
fn shared(bytes: &[u8]) -> BytesMut {
    SHARED.with_borrow_mut(|shared| {
        if shared.capacity() < bytes.len() && !shared.try_reclaim(SHARED_BYTES) {
            *shared = BytesMut::with_capacity(SHARED_BYTES);
        }
        shared.extend_from_slice(bytes);
        shared.split()
    })
}
