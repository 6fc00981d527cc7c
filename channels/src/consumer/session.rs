//! One connection's life: connect, messages one after the other, and the one disconnect.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::time::Instant;

use super::answer::{Answers, Request};
use super::guard::{Deadlines, attend, caught, caught_now, panicked};
use super::inbox::{Arrival, Inbox, Received, Source};
use super::{Consumer, closing_frame};
use crate::close::{CloseCode, CloseReason};
use crate::connection::{Connection, ConnectionState};
use crate::error::{Error, ErrorCode, unix_seconds};
use crate::extract::{Context, OnFrame};
use crate::layer::ChannelLayer;
use crate::message::{Frame, Message, ReplySink, control_frame, error_frame, expired, undecodable, unexpected_binary};
use crate::middleware::{Chain, Next, Terminal};

/// What one connection needs to run.
pub(crate) struct Session<C: Consumer> {
    pub(crate) consumer: C,
    pub(crate) connection: Connection,
    pub(crate) layer: ChannelLayer,
    pub(crate) state: C::State,
    pub(crate) middleware: Chain,
}

/// What the session goes on with: nothing special, or its end.
type Step = Result<(), CloseReason>;

impl<C: Consumer> Session<C> {
    /// Runs until the connection ends, then `#[disconnect]`, then leaves everything. The outbox is
    /// ended before the hook runs, so that the transport says goodbye meanwhile.
    pub(crate) async fn run(mut self, from: &mut impl Source) {
        let registered = match self.layer.manager().register(&self.connection).await {
            Ok(registered) => registered,
            Err(error) => return self.refuse(error),
        };
        // Either the drain's pass over the registry has seen this connection, or this sees the drain.
        self.layer.manager().tell_if_draining(&self.connection);
        let reason = self.live_until_the_deadline(from).await;
        self.connection.set_state(ConnectionState::Disconnecting);
        self.end_outbox(&reason);
        self.disconnect(&reason).await;
        tracing::debug!(connection = %self.connection.id(), %reason, "disconnected");
        // It leaves all groups and gives everything back.
        drop(registered);
    }

    fn refuse(&self, error: Error) {
        let error = error.located(self.connection.id(), self.connection.user(), None);
        self.layer.manager().failed(&error);
        if let Ok(frame) = error_frame(C::LAYOUT, &error, None) {
            // The connection closes right after; who does not get the words gets the code.
            let _ = self.connection.send_json(&frame);
        }
        self.connection.end(CloseReason::server(CloseCode::TRY_AGAIN_LATER, "try again later"));
    }

    /// Whatever happens in there, what follows it happens too: at the drain's deadline a handler is
    /// dropped where it is, and a panic outside of hooks, such as an encoder's, ends this connection only.
    async fn live_until_the_deadline(&mut self, from: &mut impl Source) -> CloseReason {
        let manager = Arc::clone(self.layer.manager());
        let (id, user) = (self.connection.id(), self.connection.user().cloned());
        let live = AssertUnwindSafe(self.live(from)).catch_unwind();
        match manager.deadline.run_until_cancelled(live).await {
            Some(Ok(reason)) => reason,
            Some(Err(panic)) => {
                let error = panicked(&*panic).located(id, user.as_ref(), None);
                manager.failed(&error);
                CloseReason::server(CloseCode::INTERNAL_ERROR, error.message().to_owned())
            }
            None => CloseReason::server(CloseCode::SERVICE_RESTART, "the server restarts"),
        }
    }

    async fn live(&mut self, from: &mut impl Source) -> CloseReason {
        let mut inbox = Inbox::new(from, self.connection.clone());
        if let Err(reason) = self.connect(&mut inbox).await {
            return reason;
        }
        self.connection.set_state(ConnectionState::Connected);
        // What groups and others sent meanwhile follows what the hook said.
        self.connection.open();
        let connection = self.connection.clone();
        loop {
            let received = tokio::select! {
                biased;
                reason = connection.close_asked() => return reason,
                received = next(&mut inbox, &connection) => received,
            };
            // Frames that are there already are read without the runtime's having a say: whoever sends
            // thousands of them must not keep everybody else from being written to.
            tokio::task::coop::consume_budget().await;
            let Some(Arrival { at, received }) = received else { return CloseReason::lost() };
            let step = match received {
                Received::Text(text) => self.text(&mut inbox, text, at).await,
                Received::Binary(data) => self.binary(&mut inbox, data, at).await,
                Received::Alive => Ok(()),
                Received::Closed(frame) => Err(CloseReason::client(frame)),
                Received::Broken(reason) => Err(reason),
            };
            if let Err(reason) = step {
                return reason;
            }
        }
    }

    fn deadlines(&self) -> Deadlines {
        let config = self.layer.config();
        Deadlines { handler: config.handler_timeout(), leaving: config.disconnect_timeout() }
    }

    async fn connect<R: Source>(&mut self, inbox: &mut Inbox<'_, R>) -> Step {
        let deadlines = self.deadlines();
        let Self { consumer, connection, layer, state, .. } = self;
        let cx = Context::new(connection, layer, state, ());
        let mut answers = Answers::new(connection, C::LAYOUT);
        let work = async {
            consumer.connected(&cx, &mut answers).await?;
            answers.succeeded()
        };
        let outcome = attend(inbox, connection, deadlines, work).await;
        // A connection whose beginning failed is none, unless the error says otherwise.
        let outcome = outcome.map_err(Error::closing_unless_told);
        self.settle(inbox, outcome, Request::default(), None).await
    }

    async fn text<R: Source>(&mut self, inbox: &mut Inbox<'_, R>, text: ByteString, at: Instant) -> Step {
        let frame = Frame::Text(text);
        if let Err(error) = self.inspect(&frame) {
            return self.settle(inbox, Err(error), Request::default(), None).await;
        }
        match frame {
            Frame::Text(text) if C::TAKES_TEXT => self.raw(inbox, Frame::Text(text)).await,
            Frame::Text(text) => self.envelope(inbox, text, at).await,
            Frame::Binary(_) => Ok(()),
        }
    }

    async fn binary<R: Source>(&mut self, inbox: &mut Inbox<'_, R>, data: Bytes, at: Instant) -> Step {
        let frame = Frame::Binary(data.clone());
        if let Err(error) = self.inspect(&frame) {
            return self.settle(inbox, Err(error), Request::default(), None).await;
        }
        let serializer = self.layer.serializers().get(usize::from(self.connection.link().variant.serializer)).cloned();
        match serializer.filter(|serializer| serializer.is_binary() && !C::TAKES_TEXT) {
            Some(serializer) => match undecodable(&*serializer, data) {
                Ok(json) => self.envelope(inbox, json, at).await,
                Err(error) => self.settle(inbox, Err(error), Request::default(), None).await,
            },
            None if C::TAKES_BINARY => self.raw(inbox, frame).await,
            None => self.settle(inbox, Err(unexpected_binary()), Request::default(), None).await,
        }
    }

    fn inspect(&self, frame: &Frame) -> Result<(), Error> {
        caught_now(|| self.middleware.iter().try_for_each(|middleware| middleware.inspect(frame, &self.connection)))
    }

    async fn raw<R: Source>(&mut self, inbox: &mut Inbox<'_, R>, frame: Frame) -> Step {
        let deadlines = self.deadlines();
        let Self { consumer, connection, layer, state, .. } = self;
        let cx = Context::<_, OnFrame>::new(connection, layer, state, ());
        let mut answers = Answers::new(connection, C::LAYOUT);
        let work = async {
            match frame {
                Frame::Text(text) => consumer.text(text, &cx, &mut answers).await?,
                Frame::Binary(data) => consumer.binary(data, &cx, &mut answers).await?,
            }
            answers.succeeded()
        };
        let outcome = attend(inbox, connection, deadlines, work).await;
        self.settle(inbox, outcome, Request::default(), None).await
    }

    async fn envelope<R: Source>(&mut self, inbox: &mut Inbox<'_, R>, json: ByteString, at: Instant) -> Step {
        let message = match Message::read(json, C::LAYOUT, at) {
            Ok(message) => message,
            Err(rejected) => return self.settle(inbox, Err(rejected.error), Request::refused(rejected.re), None).await,
        };
        let request = Request::of(&message);
        if message.is_expired() {
            self.layer.manager().counters.expired();
            return self.settle(inbox, Err(expired()), request, Some(message.name())).await;
        }
        if !C::NAMES.contains(&message.name()) && self.of_the_framework(&message) {
            return Ok(());
        }
        let deadlines = self.deadlines();
        let name = ByteString::from(message.name());
        let Self { consumer, connection, layer, state, middleware } = self;
        let mut answers = Answers::to(connection, C::LAYOUT, request.clone());
        let work = async {
            if middleware.is_empty() {
                let cx = Context::new(connection, layer, state, &message);
                consumer.message(&cx, &mut answers).await?;
            } else {
                let mut end = End { consumer, connection, layer, state, answers: &mut answers };
                Next::new(middleware, &mut end, connection, layer).run(message).await?;
            }
            answers.succeeded()
        };
        let outcome = attend(inbox, connection, deadlines, work).await;
        // A reply that was held back goes out before the error, which bears the `re`.
        let outcome = if outcome.is_err() { answers.release().and(outcome) } else { outcome };
        self.settle(inbox, outcome, request, Some(&name)).await
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
        let deadlines = self.deadlines();
        let Self { consumer, connection, layer, state, .. } = self;
        let mut answers = Answers::<C::Outgoing>::to(connection, C::LAYOUT, request);
        let told = if C::TAKES_ERRORS {
            let cx = Context::new(connection, layer, state, ());
            let hook = consumer.failed(error, &cx, &mut answers);
            match attend(inbox, connection, deadlines, hook).await {
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

    fn end_outbox(&self, reason: &CloseReason) {
        let outbox = self.connection.outbox();
        if reason.code() == CloseCode::OUTBOX_FULL || reason.closed_by() == crate::close::ClosedBy::Lost {
            self.layer.manager().counters.add_dropped(outbox.clear());
        }
        self.connection.end(closing_frame(reason));
    }

    async fn disconnect(&mut self, reason: &CloseReason) {
        let deadline = self.layer.config().disconnect_timeout();
        let Self { consumer, connection, layer, state, .. } = self;
        let cx = Context::new(connection, layer, state, reason);
        let hook = caught(consumer.disconnected(&cx));
        let late = || Err(Error::timeout("This took too long.").with_component("#[disconnect]"));
        if let Err(error) = tokio::time::timeout(deadline, hook).await.unwrap_or_else(|_| late()) {
            layer.manager().failed(&error.located(connection.id(), connection.user(), None));
        }
    }
}

/// The next frame, when its answer has room: a client that sends more than it reads is slowed down, not
/// closed. Meanwhile control frames are read.
async fn next<R: Source>(inbox: &mut Inbox<'_, R>, connection: &Connection) -> Option<Arrival> {
    while inbox.over_since().is_none() {
        tokio::select! {
            biased;
            () = connection.outbox().room() => break,
            () = inbox.read_ahead() => {}
        }
    }
    inbox.next().await
}

/// The consumer behind its middleware.
struct End<'a, C: Consumer> {
    consumer: &'a mut C,
    connection: &'a Connection,
    layer: &'a ChannelLayer,
    state: &'a C::State,
    answers: &'a mut dyn ReplySink<C::Outgoing>,
}

impl<C: Consumer> Terminal for End<'_, C> {
    fn handle(&mut self, message: Message) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            let cx = Context::new(self.connection, self.layer, self.state, &message);
            self.consumer.message(&cx, self.answers).await
        }
        .boxed()
    }
}
