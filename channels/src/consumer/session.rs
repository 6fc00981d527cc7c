//! One connection's life: connect, messages one after the other, and the one disconnect.
//!
//! An idle connection is this future, so it holds only what it waits for. A message whose handler never waits is
//! handled between two polls; for everything else there is a box that lives as long as it takes.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::handle::{Left, Waiting};
use super::handling::{Waits, Work};
use super::inbox::{Arrival, Inbox, Received, Source};
use super::{Consumer, closing_frame, dismiss};
use crate::close::{CloseCode, CloseReason, ClosedBy};
use crate::connection::{Connection, ConnectionState};
use crate::error::{Error, caught, panicked};
use crate::extract::Context;
use crate::layer::{ChannelLayer, Registered};
use crate::message::error_frame;
use crate::middleware::Chain;

/// What one connection needs to run.
pub(crate) struct Session<C: Consumer> {
    pub(crate) consumer: C,
    pub(crate) connection: Connection,
    pub(crate) layer: ChannelLayer,
    pub(crate) state: C::State,
    pub(crate) middleware: Chain,
}

/// What the session goes on with: nothing special, or its end.
pub(super) type Step = Result<(), CloseReason>;

impl<C: Consumer> Session<C> {
    /// Runs until the connection ends, then `#[disconnect]`, then leaves everything. The outbox is
    /// ended before the hook runs, so that the transport says goodbye meanwhile.
    ///
    /// No `async fn`, nor is `live`: they would hold their arguments twice.
    #[expect(clippy::manual_async_fn, reason = "the arguments")]
    pub(crate) fn run<'a>(&'a mut self, from: &'a mut impl Source) -> impl Future<Output = ()> + Send + 'a {
        async move {
            let registered = match register(&self.layer, &self.connection).await {
                Ok(registered) => registered,
                Err(error) => return self.refuse(error),
            };
            // Either the drain's pass over the registry has seen this connection, or this sees the drain.
            self.layer.manager().tell_if_draining(&self.connection);
            let outcome = AssertUnwindSafe(self.live(from)).catch_unwind().await;
            let reason = outcome.unwrap_or_else(|panic| self.panicked(&*panic));
            self.end(registered, reason).await;
        }
    }

    /// Drops it, when all is over.
    pub(crate) fn dismiss(self) {
        let Self { consumer, connection, layer, .. } = self;
        let _inside = connection.span().entered();
        dismiss(consumer, Some(&connection), layer.manager());
    }

    /// A panic outside of hooks, such as an encoder's, ends this connection only, and in good order.
    fn panicked(&self, panic: &(dyn Any + Send)) -> CloseReason {
        let _inside = self.connection.span().entered();
        let error = panicked(panic).located(self.connection.id(), self.connection.user(), None);
        self.layer.manager().failed(&error);
        CloseReason::server(CloseCode::INTERNAL_ERROR, error.message().to_owned())
    }

    fn refuse(&self, error: Error) {
        let _inside = self.connection.span().entered();
        let error = error.located(self.connection.id(), self.connection.user(), None);
        self.layer.manager().failed(&error);
        if let Ok(frame) = error_frame(C::LAYOUT, &error, None) {
            // The connection closes right after; who does not get the words gets the code.
            let _ = self.connection.send_json(&frame);
        }
        let reason = CloseReason::server(CloseCode::TRY_AGAIN_LATER, "try again later");
        self.layer.manager().counters.ended(&reason);
        self.connection.end(reason);
    }

    fn live<'a>(&'a mut self, from: &'a mut impl Source) -> impl Future<Output = CloseReason> + Send + 'a {
        // Made out here, the inbox is where it stays, and `from` is not kept beside it.
        let mut inbox = Inbox::new(from, self.connection.clone());
        async move {
            if let Err(reason) = self.until_the_deadline(Waiting::Connect, &mut inbox).await {
                return reason;
            }
            self.connection.set_connected();
            // What groups and others sent meanwhile follows what the hook said.
            self.connection.open();
            loop {
                // Frames that are there already are read without the runtime's having a say: whoever sends
                // thousands of them must not keep everybody else from being written to.
                tokio::task::coop::consume_budget().await;
                let work = Waits::new(self, &mut inbox).await;
                let waiting = match work.await {
                    Ok(Ok(())) => continue,
                    Ok(Err(waiting)) => waiting,
                    Err(reason) => return reason,
                };
                if let Err(reason) = self.until_the_deadline(waiting, &mut inbox).await {
                    return reason;
                }
            }
        }
    }

    /// Handles a frame at once, or boxes what is left of it. No `async fn`, and no frame in what it gives: what is in
    /// hand counts to what an idle connection holds.
    pub(super) fn take<'a, R: Source>(
        &'a mut self,
        arrival: Arrival,
        inbox: &'a mut Inbox<'_, R>,
        cx: &mut task::Context<'_>,
    ) -> Work<'a> {
        let inside = self.connection.span().entered();
        let left = match arrival.received {
            Received::Text(text) => self.text(text, arrival.at),
            Received::Binary(data) => self.binary(data, arrival.at),
            Received::Alive(_) | Received::Part => Left::Nothing,
            Received::Refused(error) => Left::failed(*error),
            Received::Closed(frame) => return Work::ends(CloseReason::client(frame)),
            Received::Broken(reason) => return Work::ends(reason),
        };
        // A message has a span of its own.
        drop(inside);
        match left {
            Left::Nothing => Work::Done,
            Left::Message(message, span) if C::OVERLAPS => self.beside_others(message, span, inbox, cx),
            Left::Message(message, span) => Work::begin(self.handling(message, span, inbox), cx),
            Left::Other(waiting) => Work::Waits(self.until_the_deadline(waiting, inbox)),
        }
    }

    /// At the drain's deadline a hook is dropped where it is.
    fn until_the_deadline<'a, R: Source>(
        &'a mut self,
        mut waiting: Waiting,
        inbox: &'a mut Inbox<'_, R>,
    ) -> BoxFuture<'a, Step> {
        let span = waiting.span(&self.connection);
        span.around(async move {
            let manager = Arc::clone(self.layer.manager());
            let handled = manager.deadline.run_until_cancelled(self.handle(waiting, inbox)).await;
            handled.unwrap_or_else(|| Err(restarting()))
        })
    }

    fn end(&mut self, registered: Registered, reason: CloseReason) -> BoxFuture<'_, ()> {
        let span = self.connection.span().clone();
        span.around(async move {
            if reason.code() == CloseCode::SERVICE_RESTART {
                // A handler that was dropped at the drain's deadline may end a session that has not been told yet.
                self.layer.manager().tell_if_draining(&self.connection);
            }
            self.connection.set_state(ConnectionState::Disconnecting);
            self.layer.manager().counters.ended(&reason);
            if reason.code() == CloseCode::OUTBOX_FULL || reason.closed_by() == ClosedBy::Lost {
                self.layer.manager().counters.add_dropped(self.connection.outbox().clear());
            }
            self.connection.end(closing_frame(&reason));
            self.disconnect(&reason).await;
            tracing::debug!(connection = %self.connection.id(), %reason, "disconnected");
            // It leaves all groups and gives everything back.
            drop(registered);
        })
    }

    async fn disconnect(&mut self, reason: &CloseReason) {
        let deadline = self.layer.config().disconnect_timeout();
        let Self { consumer, connection, layer, state, .. } = self;
        let cx = Context::new(connection, layer, state, reason);
        let late = || Err(Error::timeout("This took too long.").with_component("#[disconnect]"));
        // The time is within, so that what the hook drops when it is up is caught as well.
        let hook = caught(async {
            tokio::time::timeout(deadline, consumer.disconnected(&cx)).await.unwrap_or_else(|_| late())
        });
        if let Err(error) = hook.await {
            layer.manager().failed(&error.located(connection.id(), connection.user(), None));
        }
    }
}

/// Why a handler or hook is given up at the drain's deadline.
pub(super) fn restarting() -> CloseReason {
    CloseReason::server(CloseCode::SERVICE_RESTART, "the server restarts")
}

/// Boxed, as all that happens once in a connection's life.
fn register<'a>(layer: &'a ChannelLayer, connection: &'a Connection) -> BoxFuture<'a, Result<Registered, Error>> {
    layer.manager().register(connection).boxed()
}

/// What comes next.
pub(super) enum Next {
    Arrived(Arrival),
    /// What the client sent last has not been answered yet.
    NoRoom,
    /// A write failed, and nothing is there to be read just now.
    Lost,
    End(CloseReason),
}

/// The next frame, when its answer has room: a client that sends more than it reads is slowed down, not
/// closed.
pub(super) fn next<R: Source>(inbox: &mut Inbox<'_, R>, cx: &mut task::Context<'_>) -> Poll<Next> {
    // Where a write failed, what the client said before it went still counts.
    if let Some(reason) = inbox.connection().closing().filter(|reason| reason.closed_by() != ClosedBy::Lost) {
        return Poll::Ready(Next::End(reason.clone()));
    }
    if inbox.over_since().is_none() && !inbox.connection().outbox().has_room() {
        return Poll::Ready(Next::NoRoom);
    }
    match inbox.poll_next(cx) {
        Poll::Ready(Some(arrival)) => Poll::Ready(Next::Arrived(arrival)),
        Poll::Ready(None) => Poll::Ready(Next::End(CloseReason::lost())),
        Poll::Pending => inbox.connection().poll_close_asked(cx).map(|reason| match reason.closed_by() {
            ClosedBy::Lost => Next::Lost,
            _ => Next::End(reason),
        }),
    }
}

/// How long a socket is waited for that cannot be written to, all in all: what its client said before, or its end, is there
/// already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is still to be read where a write failed. It is often known before the runtime has looked at the socket.
pub(super) fn last_words<'a, R: Source>(inbox: &'a mut Inbox<'_, R>) -> BoxFuture<'a, Step> {
    let deadline = inbox.lost_since() + LAST_WORDS;
    let read = inbox.read_ahead();
    async move { tokio::time::timeout_at(deadline, read).await.map_err(|_| CloseReason::lost()) }.boxed()
}

/// Waits until there is room. Meanwhile control frames are read.
pub(super) fn room<'a, R: Source>(inbox: &'a mut Inbox<'_, R>) -> BoxFuture<'a, Step> {
    async move {
        let connection = inbox.connection().clone();
        while inbox.over_since().is_none() {
            tokio::select! {
                biased;
                reason = connection.close_asked() => return Err(reason),
                () = connection.outbox().room() => break,
                () = inbox.read_ahead() => {}
            }
        }
        Ok(())
    }
    .boxed()
}
