//! One handler that runs beside others, to its end or its deadline, and what is told of it.

use std::marker::PhantomData;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::Instrument;

use super::Consumer;
use super::answer::{Answers, Request};
use super::guard::{Deadlines, Leaving, timed};
use super::handle::{Failed, known};
use super::overlap::{Overlap, Overlapping};
use super::reading::Reading;
use super::telling::{ending, is_told, noted, told, untold};
use crate::close::CloseReason;
use crate::connection::Connection;
use crate::error::{Error, caught};
use crate::extract::Context;
use crate::layer::ChannelLayer;
use crate::message::{Answered, Message, ReplySink};
use crate::middleware::{Chain, Next, Terminal};
use crate::spans::Traced;

/// What all handlers of a stretch share: the session's, with the consumer lent.
pub(super) struct Beside<'a, C: Consumer> {
    pub(super) consumer: &'a dyn Overlapping<C::State, C::Outgoing>,
    pub(super) connection: &'a Connection,
    pub(super) layer: &'a ChannelLayer,
    pub(super) state: &'a C::State,
    pub(super) middleware: &'a Chain,
}

impl<C: Consumer> Clone for Beside<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Consumer> Copy for Beside<'_, C> {}

/// What is to be done.
pub(super) enum Job {
    Message(Message, Traced),
    /// It has no handler; its error is to be told.
    Refused(Box<Failed>),
}

impl<'a, C: Consumer> Beside<'a, C> {
    pub(super) fn reading(&self) -> Reading<'a, C> {
        let Self { connection, layer, middleware, .. } = *self;
        Reading { connection, layer, middleware, of: PhantomData }
    }

    /// Does it, and gives the place back that it took; with why the connection ends, where it does.
    pub(super) async fn run(self, job: Job, place: Overlap, leaving: &Leaving) -> (Overlap, Option<CloseReason>) {
        let end = match job {
            Job::Message(message, span) => {
                let work = async {
                    match self.handle(message, leaving).await {
                        Ok(()) => None,
                        Err(failed) => self.tell(failed, leaving).await,
                    }
                };
                work.instrument(span.into_span()).await
            }
            Job::Refused(mut failed) => {
                let span = std::mem::take(&mut failed.span);
                self.tell(failed, leaving).instrument(span.into_span()).await
            }
        };
        (place, end)
    }

    async fn handle(self, message: Message, leaving: &Leaving) -> Result<(), Box<Failed>> {
        let Self { consumer, connection, layer, state, middleware } = self;
        let timeout = Deadlines::of(layer).of_handler(C::timeout(message.name())).handler();
        let (request, name) = (Request::of(&message), message.shared_name());
        let (kind, arrived, began) = (known::<C>(&name), message.received_at(), connection.link().begin());
        let mut answers = Answers::to(connection, C::LAYOUT, request.clone());
        let work = async {
            if middleware.is_empty() {
                let cx = Context::new(connection, layer, state, &message);
                consumer.message(&cx, &mut answers).await?;
            } else {
                let mut end = End::<C> { beside: self, answers: &mut answers };
                Next::new(middleware, &mut end, connection, layer).run(message).await?;
            }
            answers.succeeded()
        };
        let outcome = caught(timed(work, timeout, leaving, &request.answered)).await;
        connection.link().handled(kind, Some(arrived), began);
        outcome.map_err(|error| {
            // A reply that was held back goes out before the error, which bears the `re`.
            let error = answers.release().err().unwrap_or(error);
            Failed::new(error, request, Some(name))
        })
    }

    async fn tell(self, failed: Box<Failed>, leaving: &Leaving) -> Option<CloseReason> {
        let Failed { error, request, name, span: _ } = *failed;
        let Self { consumer, connection, layer, state, .. } = self;
        let error = noted(error, &request, connection, layer, name.as_deref())?;
        let end = ending(&error);
        if !is_told(&error, &request) {
            return end;
        }
        let mut answers = Answers::<C::Outgoing>::to(connection, C::LAYOUT, request);
        let sent = if C::TAKES_ERRORS {
            let cx = Context::new(connection, layer, state, ());
            let id = error.context().error_id;
            let hook = async {
                consumer.failed(error, &cx, &mut answers).await?;
                answers.succeeded()
            };
            let (time, answered) = (Deadlines::of(layer).handler(), Answered::default());
            let outcome = caught(timed(hook, time, leaving, &answered)).await;
            told(outcome, id, answers, connection, layer)
        } else {
            answers.failed(&error)
        };
        untold(sent, connection);
        end
    }
}

/// The shared consumer behind its middleware.
struct End<'a, 'b, C: Consumer> {
    beside: Beside<'a, C>,
    answers: &'b mut dyn ReplySink<C::Outgoing>,
}

impl<C: Consumer> Terminal for End<'_, '_, C> {
    fn handle(&mut self, message: Message) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            let Beside { consumer, connection, layer, state, .. } = self.beside;
            let cx = Context::new(connection, layer, state, &message);
            consumer.message(&cx, self.answers).await
        }
        .boxed()
    }
}
