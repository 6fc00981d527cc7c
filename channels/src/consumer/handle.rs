//! One message's way to its handler, and what is told of it.

use std::pin::pin;
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use tokio::time::Instant;

use super::Consumer;
use super::answer::{Answers, Request};
use super::guard::{Deadlines, attend, caught, caught_now, late};
use super::inbox::{Inbox, Source};
use super::session::{Session, Step};
use crate::close::CloseReason;
use crate::connection::Connection;
use crate::error::{Error, ErrorCode, unix_seconds};
use crate::extract::{Context, OnFrame};
use crate::message::{Frame, Message, RequestId, control_frame, expired, undecodable, unexpected_binary};
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

/// What the framework answers itself, where the consumer has no such message.
const OF_THE_FRAMEWORK: [&str; 2] = ["ping", "pong"];

/// A name that is known while compiling, so that what is kept by names is bounded.
fn known<C: Consumer>(name: &str) -> &'static str {
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
        }
    }
}

impl Left {
    fn failed(error: Error) -> Self {
        Self::of_message(error, Request::default(), None)
    }

    fn of_message(error: Error, request: Request, name: Option<ByteString>) -> Self {
        Self::Other(Waiting::Failed(Failed::new(error, request, name)))
    }
}

impl<C: Consumer> Session<C> {
    /// A text frame: handled at once where nothing in its way waits.
    pub(super) fn text(&mut self, text: ByteString, at: Instant) -> Left {
        let frame = Frame::Text(text);
        if let Err(error) = self.inspect(&frame) {
            return Left::failed(error);
        }
        match frame {
            Frame::Text(text) if !C::TAKES_TEXT => self.envelope(text, at),
            frame => self.raw_at_once(frame),
        }
    }

    /// A binary frame: as [`Session::text`].
    pub(super) fn binary(&mut self, data: Bytes, at: Instant) -> Left {
        let frame = Frame::Binary(data.clone());
        if let Err(error) = self.inspect(&frame) {
            return Left::failed(error);
        }
        let serializer = self.layer.serializers().get(usize::from(self.connection.link().variant.serializer));
        match serializer.filter(|serializer| serializer.is_binary() && !C::TAKES_TEXT) {
            Some(serializer) => match undecodable(&**serializer, data) {
                Ok(json) => self.envelope(json, at),
                Err(error) => Left::failed(error),
            },
            None if C::TAKES_BINARY => self.raw_at_once(frame),
            None => Left::failed(unexpected_binary()),
        }
    }

    fn inspect(&self, frame: &Frame) -> Result<(), Error> {
        if self.middleware.is_empty() {
            return Ok(());
        }
        caught_now(|| self.middleware.iter().try_for_each(|middleware| middleware.inspect(frame, &self.connection)))
    }

    /// What a handler gets may be kept, so it is a copy: the frame lies in memory that others share.
    fn raw_at_once(&mut self, frame: Frame) -> Left {
        let (frame, is_ready) = match frame {
            Frame::Text(text) => (Frame::Text(ByteString::from(&*text)), C::TEXT_IS_READY),
            Frame::Binary(data) => (Frame::Binary(Bytes::copy_from_slice(&data)), C::BINARY_IS_READY),
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

    fn envelope(&mut self, json: ByteString, at: Instant) -> Left {
        let message = match Message::read(json, C::LAYOUT, at) {
            Ok(message) => message,
            Err(rejected) => return Left::of_message(rejected.error, Request::refused(rejected.re), None),
        };
        let kind = known::<C>(message.name());
        let ours = OF_THE_FRAMEWORK.iter().find(|name| kind == UNKNOWN && **name == message.name());
        let span = self.connection.span().message(ours.unwrap_or(&kind), message.id());
        let inside = span.entered();
        if message.is_expired() {
            self.layer.manager().counters.expired();
            return Left::of_message(expired(), Request::of(&message), Some(message.shared_name()));
        }
        if ours.is_some() && self.of_the_framework(&message) {
            return Left::Nothing;
        }
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
            connection.link().handled(kind, Some(at), began);
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
        }
    }

    async fn connect<R: Source>(&mut self, inbox: &mut Inbox<'_, R>) -> Result<(), Error> {
        let deadlines = Deadlines::of(&self.layer);
        let Self { consumer, connection, layer, state, .. } = self;
        let cx = Context::new(connection, layer, state, ());
        let mut answers = Answers::new(connection, C::LAYOUT);
        let work = pin!(caught(async {
            consumer.connected(&cx, &mut answers).await?;
            answers.succeeded()
        }));
        attend(inbox, connection, deadlines, work).await.unwrap_or_else(late)
    }

    async fn raw<R: Source>(&mut self, frame: Frame, inbox: &mut Inbox<'_, R>) -> Result<(), Error> {
        let deadlines = Deadlines::of(&self.layer);
        let Self { consumer, connection, layer, state, .. } = self;
        let (kind, began) = (kind(&frame), connection.link().begin());
        let cx = Context::<_, OnFrame>::new(connection, layer, state, ());
        let mut answers = Answers::new(connection, C::LAYOUT);
        let work = pin!(caught(async {
            match frame {
                Frame::Text(text) => consumer.text(text, &cx, &mut answers).await?,
                Frame::Binary(data) => consumer.binary(data, &cx, &mut answers).await?,
            }
            answers.succeeded()
        }));
        let outcome = attend(inbox, connection, deadlines, work).await.unwrap_or_else(late);
        connection.link().handled(kind, None, began);
        outcome
    }

    /// The framework's own messages; whether it was one.
    fn of_the_framework(&self, message: &Message) -> bool {
        #[derive(Serialize)]
        struct Pong {
            timestamp: f64,
        }
        let answer = match message.name() {
            "ping" => {
                let pong = Pong { timestamp: unix_seconds(std::time::SystemTime::now()) };
                control_frame(C::LAYOUT, "pong", Some(&pong), message.id())
            }
            // Its arrival was its purpose.
            "pong" => match message.id() {
                Some(re) => control_frame::<()>(C::LAYOUT, "$ok", None, Some(re)),
                None => return true,
            },
            _ => return false,
        };
        // Fails only where the connection is ending, which the loop sees by itself.
        let _ = answer.and_then(|frame| self.connection.send_json(&frame));
        true
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
        let error = error.located(self.connection.id(), self.connection.user(), name);
        if self.connection.is_closing() && error.code() == ErrorCode::ConnectionError {
            // A send to this very connection failed, which is ending: nobody is left to be told.
            return Ok(());
        }
        self.layer.manager().failed(&error);
        let end =
            error.should_disconnect().then(|| CloseReason::server(error.close_code(), error.message().to_owned()));
        self.answer(inbox, error, request).await;
        end.map_or(Ok(()), Err)
    }

    async fn answer<R: Source>(&mut self, inbox: &mut Inbox<'_, R>, error: Error, request: Request) {
        if error.is_only_for_requests() && !request.is_owed_an_answer() {
            return;
        }
        let deadlines = Deadlines::of(&self.layer);
        let Self { consumer, connection, layer, state, .. } = self;
        let mut answers = Answers::<C::Outgoing>::to(connection, C::LAYOUT, request);
        let told = if C::TAKES_ERRORS {
            let cx = Context::new(connection, layer, state, ());
            let mut hook = Box::pin(caught(consumer.failed(error, &cx, &mut answers)));
            let outcome = attend(inbox, connection, deadlines, hook.as_mut()).await.unwrap_or_else(late);
            drop(hook);
            match outcome {
                Ok(()) => answers.succeeded(),
                Err(error) => answers.failed(&error.located(connection.id(), connection.user(), None)),
            }
        } else {
            answers.failed(&error)
        };
        if let Err(error) = told {
            tracing::debug!(%error, connection = %connection.id(), "an error could not be told");
        }
    }
}

/// Runs what does not wait; a panic is an error. `None` where an extractor waits: then nothing has happened
/// yet, and all of it is done again with time.
fn now(work: impl Future<Output = Result<(), Error>>) -> Option<Result<(), Error>> {
    let mut work = pin!(work);
    // Polled where it lies: it may be large, and every move would copy it.
    caught_now(|| match work.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.map(Some),
        Poll::Pending => Ok(None),
    })
    .transpose()
}
