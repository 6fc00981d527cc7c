//! What comes next on a connection, and a message's handler that may wait: in a box, looked at once, and attended only
//! where it does wait.

use std::pin::{Pin, pin};
use std::task::{self, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Consumer;
use super::answer::{Answers, Request};
use super::guard::{Deadlines, Timeout, attend, guarded};
use super::handle::{Failed, Waiting};
use super::inbox::{Inbox, Source};
use super::session::{Next as Arrived, Session, Step, last_words, next, restarting, room};
use crate::close::CloseReason;
use crate::connection::Connection;
use crate::error::Error;
use crate::extract::Context;
use crate::layer::ChannelLayer;
use crate::message::{Answered, Message, ReplySink};
use crate::middleware::{Next, Terminal};
use crate::spans::Traced;
use crate::timings::UNKNOWN;

/// A handler has ended.
type Handled = Result<(), Box<Failed>>;
/// The same, and what else is still to be done.
pub(super) type Outcome = Result<(), Waiting>;

/// A handler at work. Most end when they are first polled; what the others need while they wait is not in their box.
pub(super) struct Handling<'a, 'i, R: Source> {
    work: BoxFuture<'a, Handled>,
    layer: &'a ChannelLayer,
    timeout: Option<Timeout>,
    answered: Answered,
    inbox: &'a mut Inbox<'i, R>,
}

impl<C: Consumer> Session<C> {
    /// The one allocation for a message whose handler may wait.
    pub(super) fn handling<'a, 'i, R: Source>(
        &'a mut self,
        message: Message,
        span: Traced,
        inbox: &'a mut Inbox<'i, R>,
    ) -> Handling<'a, 'i, R> {
        let Self { consumer, connection, layer, state, middleware } = self;
        let (connection, layer, state) = (&*connection, &*layer, &*state);
        let (timeout, answered) = (C::timeout(message.name()), message.answered().clone());
        let work = async move {
            let (request, name) = (Request::of(&message), message.shared_name());
            let (arrived, began) = (message.received_at(), connection.link().begin());
            let mut answers = Answers::to(connection, C::LAYOUT, request.clone());
            let outcome = if middleware.is_empty() {
                let work = pin!(guarded(connection, async {
                    let cx = Context::new(connection, layer, state, &message);
                    consumer.message(&cx, &mut answers).await?;
                    answers.succeeded()
                }));
                work.await
            } else {
                let work = guarded(connection, async {
                    let mut end = End { consumer, connection, layer, state, answers: &mut answers };
                    Next::new(middleware, &mut end, connection, layer).run(message).await?;
                    answers.succeeded()
                });
                Box::pin(work).await
            };
            // A dollar stands for what is ours, and no message of a consumer begins with it.
            let kind = if name.starts_with('$') { UNKNOWN } else { &*name };
            connection.link().handled(kind, Some(arrived), began);
            outcome.map_err(|error| {
                // A reply that was held back goes out before the error, which bears the `re`.
                let error = answers.release().err().unwrap_or(error);
                Failed::new(error, request, Some(name))
            })
        };
        Handling { work: span.around(work), layer, timeout, answered, inbox }
    }
}

impl<'a, R: Source> Handling<'a, '_, R> {
    /// Goes on with a handler that waits, to its end or its deadline; at the drain's deadline it is dropped where it is.
    pub(super) fn attended(self) -> BoxFuture<'a, Result<Outcome, CloseReason>> {
        let Self { mut work, layer, timeout, answered, inbox } = self;
        async move {
            let connection = inbox.connection().clone();
            let deadlines = Deadlines::of(layer).of_handler(timeout);
            answered.due_in(deadlines.handler());
            let attended = attend(inbox, &connection, deadlines, work.as_mut());
            let attended = layer.manager().deadline.run_until_cancelled(attended).await;
            attended.map(|handled| handled.map_err(Waiting::Failed)).ok_or_else(restarting)
        }
        .boxed()
    }
}

/// Waits for what comes next, and begins it. All that an idle connection holds of it is who waits.
pub(super) struct Waits<'a, 'i, C: Consumer, R: Source> {
    /// Both until something has come.
    hands: Option<(&'a mut Session<C>, &'a mut Inbox<'i, R>)>,
}

impl<'a, 'i, C: Consumer, R: Source> Waits<'a, 'i, C, R> {
    pub(super) fn new(session: &'a mut Session<C>, inbox: &'a mut Inbox<'i, R>) -> Self {
        Self { hands: Some((session, inbox)) }
    }
}

impl<'a, C: Consumer, R: Source> Future for Waits<'a, '_, C, R> {
    type Output = Work<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Work<'a>> {
        let Some((session, inbox)) = self.hands.take() else { return Poll::Ready(Work::Done) };
        let Poll::Ready(arrived) = next(inbox, cx) else {
            self.hands = Some((session, inbox));
            return Poll::Pending;
        };
        Poll::Ready(match arrived {
            Arrived::Arrived(arrival) => session.take(arrival, inbox, cx),
            Arrived::NoRoom => Work::Waits(room(inbox)),
            Arrived::Lost => Work::Waits(last_words(inbox)),
            Arrived::End(reason) => Work::ends(reason),
        })
    }
}

/// What is left to be done of a frame, to be awaited: how the handler ended, or why the session ends. Small, as it counts
/// to what an idle connection holds.
pub(super) enum Work<'a> {
    Done,
    Failed(Box<Failed>),
    Ends(Box<CloseReason>),
    Waits(BoxFuture<'a, Step>),
    Attended(BoxFuture<'a, Result<Outcome, CloseReason>>),
}

impl<'a> Work<'a> {
    pub(super) fn ends(reason: CloseReason) -> Self {
        Self::Ends(Box::new(reason))
    }

    /// Looks at a handler once.
    pub(super) fn begin<R: Source>(mut handling: Handling<'a, '_, R>, cx: &mut task::Context<'_>) -> Self {
        match handling.work.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => Self::Done,
            Poll::Ready(Err(failed)) => Self::Failed(failed),
            Poll::Pending => Self::Attended(handling.attended()),
        }
    }
}

impl Future for Work<'_> {
    type Output = Result<Outcome, CloseReason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Waits(work) => return work.as_mut().poll(cx).map(|step| step.map(Ok)),
            Self::Attended(work) => return work.as_mut().poll(cx),
            Self::Done | Self::Failed(_) | Self::Ends(_) => {}
        }
        Poll::Ready(match std::mem::replace(&mut *self, Self::Done) {
            Self::Failed(failed) => Ok(Err(Waiting::Failed(failed))),
            Self::Ends(reason) => Err(*reason),
            _ => Ok(Ok(())),
        })
    }
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
