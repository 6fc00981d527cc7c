//! What hooks may take and return, each with the words for what they may not.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};

use crate::error::Error;
use crate::id::UserId;
use crate::message::IntoError;

/// An argument of `#[accept]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of `#[accept]`",
    label = "not an axum extractor that leaves the body alone",
    note = "arguments of `#[accept]` implement axum's `FromRequestParts<{S}>`: `Path`, `Query`, `HeaderMap`, `State<T>` with `T: FromRef<{S}>`, …",
    note = "`State<T>` takes from the `state = …` of `#[consumer]`; where there is none, add it"
)]
pub trait AcceptArgument<S>: Sized + 'static {
    fn extract<'a>(parts: &'a mut Parts, state: &'a S) -> BoxFuture<'a, Result<Self, Response>>;
}

#[diagnostic::do_not_recommend]
impl<S: Send + Sync, T: FromRequestParts<S> + 'static> AcceptArgument<S> for T {
    // No `async fn`: its future would be found wrong as well, in axum's words instead of these.
    fn extract<'a>(parts: &'a mut Parts, state: &'a S) -> BoxFuture<'a, Result<Self, Response>> {
        T::from_request_parts(parts, state).map_err(IntoResponse::into_response).boxed()
    }
}

/// What `#[accept]` may return: the consumer, or a `Result` whose error is an HTTP response.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[accept]` cannot return `{Self}`",
    label = "must be `Self` or `Result<Self, impl IntoResponse>`"
)]
#[allow(clippy::result_large_err, reason = "a response is what axum makes of it")]
pub trait Accepted<C> {
    fn accepted(self) -> Result<C, Response>;
}

#[diagnostic::do_not_recommend]
impl<C> Accepted<C> for C {
    fn accepted(self) -> Result<C, Response> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<C, R: IntoResponse> Accepted<C> for Result<C, R> {
    fn accepted(self) -> Result<C, Response> {
        self.map_err(IntoResponse::into_response)
    }
}

/// A consumer without `#[accept]` is made by `Default`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `#[accept]`, and no `Default` to do without",
    label = "add an `#[accept]` function or `#[derive(Default)]`"
)]
pub trait AcceptsByDefault: Sized {
    fn accept_by_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<C: Default> AcceptsByDefault for C {
    fn accept_by_default() -> Self {
        Self::default()
    }
}

/// What `#[user]` may return.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[user]` cannot return `{Self}`",
    label = "must be `UserId`, `&UserId`, or an `Option` of one"
)]
pub trait IntoUser {
    fn into_user(self) -> Option<UserId>;
}

#[diagnostic::do_not_recommend]
impl IntoUser for UserId {
    fn into_user(self) -> Option<UserId> {
        Some(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoUser for &UserId {
    fn into_user(self) -> Option<UserId> {
        Some(self.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<U: IntoUser> IntoUser for Option<U> {
    fn into_user(self) -> Option<UserId> {
        self.and_then(U::into_user)
    }
}

/// The first argument of `#[on_text]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[on_text]` cannot take `{Self}` as its first argument",
    label = "must be `ByteString` or `String`"
)]
pub trait FromText {
    fn from_text(text: ByteString) -> Self;
}

#[diagnostic::do_not_recommend]
impl FromText for ByteString {
    fn from_text(text: ByteString) -> Self {
        text
    }
}

#[diagnostic::do_not_recommend]
impl FromText for String {
    fn from_text(text: ByteString) -> Self {
        text.into()
    }
}

/// The first argument of `#[on_binary]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[on_binary]` cannot take `{Self}` as its first argument",
    label = "must be `Bytes` or `Vec<u8>`"
)]
pub trait FromBinary {
    fn from_binary(data: Bytes) -> Self;
}

#[diagnostic::do_not_recommend]
impl FromBinary for Bytes {
    fn from_binary(data: Bytes) -> Self {
        data
    }
}

#[diagnostic::do_not_recommend]
impl FromBinary for Vec<u8> {
    fn from_binary(data: Bytes) -> Self {
        data.into()
    }
}

/// The first argument of `#[error]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[error]` cannot take `{Self}` as its first argument",
    label = "must be `channels::Error`, by value"
)]
pub trait ErrorArgument {
    fn from_error(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl ErrorArgument for Error {
    fn from_error(error: Error) -> Self {
        error
    }
}

/// What `#[disconnect]` may return.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[disconnect]` cannot return `{Self}`",
    label = "must be `()` or `Result<(), impl Into<channels::Error>>`",
    note = "nobody is left to be answered; an error is counted and logged"
)]
pub trait Departed {
    fn departed(self) -> Result<(), Error>;
}

#[diagnostic::do_not_recommend]
impl Departed for () {
    fn departed(self) -> Result<(), Error> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: IntoError> Departed for Result<(), E> {
    fn departed(self) -> Result<(), Error> {
        self.map_err(IntoError::into_error)
    }
}

/// The first argument of `#[authorize]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[authorize]` cannot take `{Self}` as its first argument",
    label = "must be the group's name: `&str` or `String`"
)]
pub trait GroupArgument<'g> {
    fn from_group(group: &'g str) -> Self;
}

#[diagnostic::do_not_recommend]
impl<'g> GroupArgument<'g> for &'g str {
    fn from_group(group: &'g str) -> Self {
        group
    }
}

#[diagnostic::do_not_recommend]
impl GroupArgument<'_> for String {
    fn from_group(group: &str) -> Self {
        group.to_owned()
    }
}
