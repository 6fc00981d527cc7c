//! Spans: one for a connection, one for each of its messages, one for each send.
//!
//! They have a target of their own, so that whoever wants them names it, and the lines of the log that a level lets
//! through cost no connection the memory of a span. Where nobody listens a span is a null pointer.

use std::fmt;
use std::net::IpAddr;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::span::EnteredSpan;
use tracing::subscriber::NoSubscriber;
use tracing::{Instrument, Span};

use crate::error::{Error, shown};
use crate::id::{ConnectionId, UserId};

/// How much of the name of what is sent to stands in a span, in bytes.
const MAX_TO_BYTES: usize = 1200;

/// What a filter names: `RUST_LOG=info,channels::spans=debug`.
const TARGET: &str = "channels::spans";

/// A span that somebody listens to, or nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traced(Option<Box<Span>>);

impl Traced {
    /// Allocates nothing for a span that is off, nor for one that only another thread's subscriber asked for: here nobody
    /// knows its id, and whoever is asked about it later as a parent panics.
    fn of(span: Span) -> Self {
        let is_known = span.with_subscriber(|(_, subscriber)| !subscriber.is::<NoSubscriber>());
        Self((is_known == Some(true)).then(|| Box::new(span)))
    }

    /// The one that this thread is in.
    pub(crate) fn current() -> Self {
        Self::of(Span::current())
    }

    /// A connection's whole life. What asked for it, such as the span of an HTTP request, ends long before, so it is
    /// named as its cause and not as its parent.
    pub(crate) fn connection(id: ConnectionId, user: Option<&UserId>, ip: Option<IpAddr>) -> Self {
        let span = tracing::debug_span!(
            target: TARGET,
            parent: None,
            "channels.connection",
            connection = %id,
            // A client's own words may be in it: quoted, they cannot forge a field.
            user = user.map(UserId::as_str),
            peer = ip.map(tracing::field::display),
            error_id = tracing::field::Empty,
        );
        if !span.is_disabled() {
            span.follows_from(Span::current());
        }
        Self::of(span)
    }

    /// One message of a connection. `kind` is one of a consumer's names or a name of ours, never a client's words.
    ///
    /// It is made inside the connection's and not with its id as the parent: another subscriber may listen by now, which
    /// does not know the id and may panic.
    pub(crate) fn message(&self, kind: &'static str, request: Option<&impl fmt::Display>) -> Self {
        let _inside = self.entered();
        Self::of(tracing::debug_span!(
            target: TARGET,
            "channels.message",
            message_type = kind,
            request = request.map(tracing::field::display),
            error_id = tracing::field::Empty,
        ))
    }

    /// One send, inside whatever its caller is in.
    pub(crate) fn send(topic: &'static str, to: &impl fmt::Display) -> Self {
        Self::of(tracing::debug_span!(
            target: TARGET,
            "channels.send",
            topic,
            // A group's name may be a client's, and has not been looked at yet.
            to = %shown(to, MAX_TO_BYTES),
            local = tracing::field::Empty,
            servers = tracing::field::Empty,
            error_id = tracing::field::Empty,
        ))
    }

    /// Work in it that does not wait; if that fails, it bears the id of the error.
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let _inside = self.entered();
        work().inspect_err(|error| {
            if let Some(span) = &self.0 {
                failed(span, error);
            }
        })
    }

    /// For work that does not wait, until the guard is dropped.
    pub(crate) fn entered(&self) -> Option<EnteredSpan> {
        self.0.as_deref().map(|span| span.clone().entered())
    }

    /// In a box, which is no larger where nobody listens.
    pub(crate) fn around<'a, T>(self, work: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
        match self.0 {
            None => work.boxed(),
            Some(span) => work.instrument(*span).boxed(),
        }
    }

    /// For work that lies in memory of its own.
    pub(crate) fn into_span(self) -> Span {
        self.0.map_or_else(Span::none, |span| *span)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

/// Notes the id of an error: the one under which it is told and logged, by whomever.
pub(crate) fn failed(span: &Span, error: &Error) {
    span.record("error_id", tracing::field::display(error.context().error_id));
}
