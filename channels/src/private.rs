//! What `#[consumer]` and the derives write; not for anybody else.

use std::sync::Arc;
use std::time::Duration;

pub use axum::extract::FromRequestParts;
pub use axum::http::request::Parts;
pub use axum::response::{IntoResponse, Response};
pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use serde_json;

pub use crate::connection::Connection;
pub use crate::consumer::{
    Accepted, AcceptsByDefault, Consumer, FromBinary, FromText, IntoUser, NoState, unknown_message,
};
pub use crate::error::Error;
pub use crate::extract::{
    Context, Extract, FirstArgument, NoArguments, OnConnect, OnDisconnect, OnError, OnFrame, OnMessage,
};
pub use crate::id::UserId;
pub use crate::message::{
    HasMessage, Incoming, Layout, Message, NoMessages, Outgoing, Payload, ReadPayload, Reply, ReplySink, RequestId,
    Unit, write_envelope,
};
pub use crate::names::{MissingNames, UnknownName, find, missing};
pub use crate::rate_limit::{By, Limit};
#[cfg(feature = "validation")]
pub use crate::validate::Validatable;

/// A handler's limit; the macro has checked that neither number is zero.
pub const fn limit(bucket: &'static str, count: u32, per: Duration, by: By) -> Limit {
    Limit::checked(bucket, count, per, by)
}

/// Takes one of a handler's limit.
///
/// # Errors
///
/// `RATE_LIMIT_EXCEEDED`, or `BACKEND_ERROR` where nobody can tell.
pub async fn check_rate<S: Sync>(cx: &Context<'_, S>, limit: &Limit) -> Result<(), Error> {
    let manager = Arc::clone(cx.layer().manager());
    manager.check_rate(cx.connection(), limit).await
}

/// Says at the handler, not at the impl, that its future must be `Send`.
pub fn assert_send<F: Future + Send>(future: F) -> F {
    future
}
