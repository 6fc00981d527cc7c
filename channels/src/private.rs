//! What `#[consumer]` and the derives write; not for anybody else.

use std::time::Duration;

pub use axum::http::request::Parts;
pub use axum::response::Response;
pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use futures_util::future::BoxFuture;

pub use crate::connection::Connection;
pub use crate::consumer::{
    AcceptArgument, Accepted, AcceptsByDefault, Consumer, Departed, ErrorArgument, FromBinary, FromText, GroupArgument,
    Idempotent, IntoUser, NoState, Order, Overlap, Overlapping, Timeout, not_overlapping, unknown_message,
};
pub use crate::error::Error;
pub use crate::extract::{
    Context, Extract, FirstArgument, Hook, NoArguments, OnConnect, OnDisconnect, OnError, OnFrame, OnJoin, OnMessage,
};
pub use crate::id::UserId;
pub use crate::layer::Allowed;
use crate::message::write_envelope;
pub use crate::message::{
    AsFrames, At, Broken, Carried, HasMessage, Incoming, IntoError, KeyFields, Layout, Message, MessagePolicy,
    NoMessages, NotCarried, Nothing, OutboxPolicy, Outgoing, ReadPayload, Reply, ReplySink, RequestId, WritePayload,
};
pub use crate::names::{BROKEN, complete, index};
pub use crate::rate_limit::{By, Limit};
#[cfg(feature = "validation")]
pub use crate::validate::Validatable;

/// Writes the envelope of a message without a payload.
///
/// # Errors
///
/// As [`WritePayload::write`].
pub fn write_empty(layout: Layout, name: &str, re: Option<&RequestId>) -> Result<ByteString, Error> {
    write_envelope::<()>(layout, name, None, re)
}

/// A handler's limit; the macro has checked that neither number is zero.
pub const fn limit(bucket: &'static str, count: u32, per: Duration, by: By) -> Limit {
    Limit::checked(bucket, count, per, by)
}

/// Takes one of a handler's limit.
///
/// # Errors
///
/// `RATE_LIMIT_EXCEEDED`, or `BACKEND_ERROR` where nobody can tell.
pub async fn check_rate<S: Sync, H: Hook>(cx: &Context<'_, S, H>, limit: &Limit) -> Result<(), Error> {
    cx.layer().manager().check_rate(cx.connection(), limit).await
}

/// A handler's future. That it is not `Send` is said where it is made into this, at the handler, not of the impl.
pub fn sendable<T>(future: impl Future<Output = T> + Send) -> impl Future<Output = T> + Send {
    future
}

/// A handler's time-out, of so many milliseconds.
pub const fn timeout(millis: u64) -> Option<Timeout> {
    Timeout::of_millis(millis)
}

/// What a message is ordered by.
pub fn order<T: Order + ?Sized>(value: &T) -> u64 {
    value.order()
}

/// What `#[idempotent]` says, the handler's time-out, and whether there is an `#[error]`; the macro has checked both.
pub const fn idempotent(
    consumer: &'static str,
    message: &'static str,
    window: Duration,
    timeout: Option<Timeout>,
    takes_errors: bool,
) -> Idempotent {
    Idempotent::new(consumer, message, window, timeout, takes_errors)
}

/// Whether a request has had its answer, which then was told again.
///
/// # Errors
///
/// `BACKEND_ERROR` where nobody can tell, `VALIDATION_FAILED` where its `id` was another request's, `RATE_LIMIT_EXCEEDED` where too
/// many are remembered.
pub async fn once<S: Sync>(cx: &Context<'_, S>, idempotent: &Idempotent) -> Result<bool, Error> {
    crate::consumer::once(cx, idempotent).await
}

/// A message that overlaps, where nothing else runs.
pub fn alone<'a, C: Consumer>(
    consumer: &'a C,
    cx: &'a Context<'_, C::State>,
    replies: &'a mut dyn ReplySink<C::Outgoing>,
) -> BoxFuture<'a, Result<(), Error>> {
    match consumer.shared() {
        Some(shared) => shared.message(cx, replies),
        None => boxed(std::future::ready(Err(unknown_message(cx.message().name())))),
    }
}

/// A future of a trait's that is behind a pointer.
pub fn boxed<'a, T>(future: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
    Box::pin(future)
}

/// Stands in for `Validatable` where the feature is off, and says so.
#[cfg(not(feature = "validation"))]
#[diagnostic::on_unimplemented(
    message = "`#[validate]` needs the feature `validation` of axum-channels",
    label = "not checked without it"
)]
pub trait Validatable {
    /// Never called: nothing implements it.
    ///
    /// # Errors
    ///
    /// None.
    fn check(&self) -> Result<(), Error>;
}
