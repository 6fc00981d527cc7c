//! One message's way to its handler, and what is told of it.

use std::marker::PhantomData;
use std::pin::pin;
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use bytestring::ByteString;
use tokio::time::Instant;

use super::Consumer;
use super::answer::{Answers, Request};
use super::guard::{Deadlines, attend, guarded};
use super::inbox::{Inbox, Source};
use super::reading::{Read, Reading};
use super::session::{Session, Step};
use super::telling::{ending, is_told, noted, told, untold};
use crate::connection::Connection;
use crate::error::{Error, caught_now};
use crate::extract::{Context, OnFrame};
use crate::message::{Frame, Message, RequestId};
use crate::spans::Traced;
use crate::timings::{BINARY, TEXT, UNKNOWN};

/// What is left to be done of a frame.
pub(super) enum Left {
    Nothing,
    /// Its handler may wait.
    Message(Message, Traced),
    Other(Waiting),
}

/// What may wait, and happens rarely or once.
pub(super) enum Waiting {
    Connect,
    Raw(Frame),
    Failed(Box<Failed>),
    /// One that waited until no handler ran beside it any more.
    Message(Box<Message>, Traced),
}

/// An error that has to be answered, of a message with this name.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) request: Request,
    pub(super) name: Option<ByteString>,
    /// Where it happened, and where it is logged.
    pub(super) span: Traced,
}

impl Failed {
    /// In the span that this thread is in.
    pub(super) fn new(error: Error, request: Request, name: Option<ByteString>) -> Box<Self> {
        Box::new(Self { error, request, name, span: Traced::current() })
    }
}

/// A name that is known while compiling, so that what is kept by names is bounded.
pub(super) fn known<C: Consumer>(name: &str) -> &'static str {
    C::NAMES.iter().find(|known| **known == name).copied().unwrap_or(UNKNOWN)
}

fn kind(frame: &Frame) -> &'static str {
    match frame {
        Frame::Text(_) => TEXT,
        Frame::Binary(_) => BINARY,
    }
}

impl Waiting {
    /// Where its work belongs.
    pub(super) fn span(&mut self, connection: &Connection) -> Traced {
        match self {
            Self::Connect => connection.span().clone(),
            Self::Raw(frame) => connection.span().message(kind(frame), None::<&RequestId>),
            Self::Failed(failed) => std::mem::take(&mut failed.span),
            Self::Message(_, span) => std::mem::take(span),
        }
    }
}

impl Left {
    pub(super) fn failed(error: Error) -> Self {
        Self::of_message(error, Request::default(), None)
    }

    fn of_message(error: Error, request: Request, name: Option<ByteString>) -> Self {
        Self::Other(Waiting::Failed(Failed::new(error, request, name)))
    }
}

impl<C: Consumer> Session<C> {
    /// A text frame: handled at once where nothing in its way waits.
    pub(super) fn text(&mut self, text: ByteString, at: Instant) -> Left {
        let read = self.reading().text(text, at);
        self.at_once(read)
    }

    /// A binary frame: as [`Session::text`].
    pub(super) fn binary(&mut self, data: Bytes, at: Instant) -> Left {
        let read = self.reading().binary(data, at);
        self.at_once(read)
    }

    fn reading(&self) -> Reading<'_, C> {
        let Self { connection, layer, middleware, .. } = self;
        Reading { connection, layer, middleware, of: PhantomData }
    }

    fn at_once(&mut self, read: Read) -> Left {
        match read {
            Read::Done => Left::Nothing,
            Read::Message(message, span) => self.message_at_once(message, span),
            Read::Raw(frame) => self.raw_at_once(frame),
            Read::Failed(failed) => Left::Other(Waiting::Failed(failed)),
        }
    }

    /// What a handler gets may be kept, so it is a copy: the frame lies in memory that others share.
    fn raw_at_once(&mut self, frame: Frame) -> Left {
        let frame = frame.detached();
        let is_ready = match &frame {
            Frame::Text(_) => C::TEXT_IS_READY,
            Frame::Binary(_) => C::BINARY_IS_READY,
        };
        if !is_ready {
            return Left::Other(Waiting::Raw(frame));
        }
        let Self { consumer, connection, layer, state, .. } = self;
        let kind = kind(&frame);
        let _inside = connection.span().message(kind, None::<&RequestId>).entered();
        let began = connection.link().begin();
        let cx = Context::<_, OnFrame>::new(connection, layer, state, ());
        let mut answers = Answers::new(connection, C::LAYOUT);
        let outcome = now(async {
            match frame.clone() {
                Frame::Text(text) => consumer.text(text, &cx, &mut answers).await?,
                Frame::Binary(data) => consumer.binary(data, &cx, &mut answers).await?,
            }
            answers.succeeded()
        });
        if outcome.is_some() {
            connection.link().handled(kind, None, began);
        }
        match outcome {
            None => Left::Other(Waiting::Raw(frame)),
            Some(Ok(())) => Left::Nothing,
            Some(Err(error)) => Left::failed(error),
        }
    }

    fn message_at_once(&mut self, message: Message, span: Traced) -> Left {
        let inside = span.entered();
        if !self.middleware.is_empty() || !C::is_ready(message.name()) {
            drop(inside);
            return Left::Message(message, span);
        }
        let request = Request::of(&message);
        let Self { consumer, connection, layer, state, .. } = self;
        let mut answers = Answers::to(connection, C::LAYOUT, request.clone());
        let began = connection.link().begin();
        let outcome = now(async {
            let cx = Context::new(connection, layer, state, &message);
            consumer.message(&cx, &mut answers).await?;
            answers.succeeded()
        });
        if outcome.is_some() {
            connection.link().handled(known::<C>(message.name()), Some(message.received_at()), began);
        }
        match outcome {
            None => {
                drop((answers, inside));
                Left::Message(message, span)
            }
            Some(Ok(())) => Left::Nothing,
            Some(Err(error)) => {
                // A reply that was held back goes out before the error, which bears the `re`.
                let error = answers.release().err().unwrap_or(error);
                Left::of_message(error, request, Some(message.shared_name()))
            }
        }
    }

    /// A hook to its end, then what is told of it.
    pub(super) async fn handle<R: Source>(&mut self, waiting: Waiting, inbox: &mut Inbox<'_, R>) -> Step {
        match waiting {
            Waiting::Connect => {
                // A connection whose beginning failed is none, unless the error says otherwise.
                let outcome = self.connect(inbox).await.map_err(Error::closing_unless_told);
                self.settle(inbox, outcome, Request::default(), None).await
            }
            Waiting::Raw(frame) => {
                let outcome = self.raw(frame, inbox).await;
                self.settle(inbox, outcome, Request::default(), None).await
            }
            Waiting::Failed(failed) => {
                let Failed { error, request, name, span: _ } = *failed;
                self.settle(inbox, Err(error), request, name.as_deref()).await
            }
            // All of this is in its span.
            Waiting::Message(message, _) => match self.handling(*message, Traced::default(), inbox).attended().await? {
                Err(Waiting::Failed(failed)) => {
                    let Failed { error, request, name, span: _ } = *failed;
                    self.settle(inbox, Err(error), request, name.as_deref()).await
                }
                Ok(()) | Err(_) => Ok(()),
            },
        }
    }

    async fn connect<R: Source>(&mut self, inbox: &mut Inbox<'_, R>) -> Result<(), Error> {
        let deadlines = Deadlines::of(&self.layer);
        let Self { consumer, connection, layer, state, .. } = self;
        let cx = Context::new(connection, layer, state, ());
        let mut answers = Answers::new(connection, C::LAYOUT);
        let work = pin!(guarded(connection, async {
            consumer.connected(&cx, &mut answers).await?;
            answers.succeeded()
        }));
        attend(inbox, connection, deadlines, work).await
    }

    async fn raw<R: Source>(&mut self, frame: Frame, inbox: &mut Inbox<'_, R>) -> Result<(), Error> {
        let timeout = match &frame {
            Frame::Text(_) => C::TEXT_TIMEOUT,
            Frame::Binary(_) => C::BINARY_TIMEOUT,
        };
        let deadlines = Deadlines::of(&self.layer).of_handler(timeout);
        let Self { consumer, connection, layer, state, .. } = self;
        let (kind, began) = (kind(&frame), connection.link().begin());
        let cx = Context::<_, OnFrame>::new(connection, layer, state, ());
        let mut answers = Answers::new(connection, C::LAYOUT);
        let work = pin!(guarded(connection, async {
            match frame {
                Frame::Text(text) => consumer.text(text, &cx, &mut answers).await?,
                Frame::Binary(data) => consumer.binary(data, &cx, &mut answers).await?,
            }
            answers.succeeded()
        }));
        let outcome = attend(inbox, connection, deadlines, work).await;
        connection.link().handled(kind, None, began);
        outcome
    }

    /// Counts, logs and answers an error; whether the connection ends with it.
    async fn settle<R: Source>(
        &mut self,
        inbox: &mut Inbox<'_, R>,
        outcome: Result<(), Error>,
        request: Request,
        name: Option<&str>,
    ) -> Step {
        let Err(error) = outcome else { return Ok(()) };
        let Some(error) = noted(error, &request, &self.connection, &self.layer, name) else { return Ok(()) };
        let end = ending(&error);
        self.answer(inbox, error, request).await;
        end.map_or(Ok(()), Err)
    }

    async fn answer<R: Source>(&mut self, inbox: &mut Inbox<'_, R>, error: Error, request: Request) {
        if !is_told(&error, &request) {
            return;
        }
        let deadlines = Deadlines::of(&self.layer);
        let Self { consumer, connection, layer, state, .. } = self;
        let mut answers = Answers::<C::Outgoing>::to(connection, C::LAYOUT, request);
        let sent = if C::TAKES_ERRORS {
            let cx = Context::new(connection, layer, state, ());
            let id = error.context().error_id;
            let mut hook = Box::pin(guarded(connection, async {
                consumer.failed(error, &cx, &mut answers).await?;
                // Here, as what it replied is written by its `Serialize`, which may fail or panic.
                answers.succeeded()
            }));
            let outcome = attend(inbox, connection, deadlines, hook.as_mut()).await;
            drop(hook);
            told(outcome, id, answers, connection, layer)
        } else {
            answers.failed(&error)
        };
        untold(sent, connection);
    }
}

/// Runs what does not wait; a panic is an error. `None` where an extractor waits: then nothing has happened
/// yet, and all of it is done again with time.
fn now(work: impl Future<Output = Result<(), Error>>) -> Option<Result<(), Error>> {
    let mut work = pin!(Some(work));
    // Polled where it lies: it may be large, and every move would copy it.
    caught_now(|| {
        let mut cx = task::Context::from_waker(Waker::noop());
        match work.as_mut().as_pin_mut().map(|work| work.poll(&mut cx)) {
            Some(Poll::Ready(outcome)) => outcome.map(Some),
            Some(Poll::Pending) | None => {
                // Here, where a panic of what it drops is caught.
                work.set(None);
                Ok(None)
            }
        }
    })
    .transpose()
}
