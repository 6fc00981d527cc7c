//! What `#[consumer]` and the derives write; not for anybody else.

use std::time::Duration;

pub use axum::http::request::Parts;
pub use axum::response::Response;
pub use bytes::Bytes;
pub use bytestring::ByteString;

pub use crate::connection::Connection;
pub use crate::consumer::{
    AcceptArgument, Accepted, AcceptsByDefault, Consumer, Departed, ErrorArgument, FromBinary, FromText, IntoUser,
    NoState, unknown_message,
};
pub use crate::error::Error;
pub use crate::extract::{
    Context, Extract, FirstArgument, Hook, NoArguments, OnConnect, OnDisconnect, OnError, OnFrame, OnMessage,
};
pub use crate::id::UserId;
use crate::message::write_envelope;
pub use crate::message::{
    At, Broken, Carried, HasMessage, Incoming, IntoError, KeyFields, Layout, Message, MessagePolicy, NoMessages,
    NotCarried, Nothing, OutboxPolicy, Outgoing, ReadPayload, Reply, ReplySink, RequestId, WritePayload,
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
