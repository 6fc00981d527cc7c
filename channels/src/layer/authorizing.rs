//! The hook of a layer: asked about every join, whatever consumer the connection has.

use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::connection::{Connection, Gate};
use crate::error::Error;
use crate::message::IntoError;

/// A function of the application. It gets what it is asked about by value, so that it needs no word about lifetimes.
pub(super) struct Hook<H>(pub(super) H);

impl<H, F> Gate for Hook<H>
where
    H: Fn(Connection, String) -> F + Send + Sync,
    F: Future<Output: Allowed> + Send + 'static,
{
    fn may_join<'a>(&'a self, connection: &'a Connection, group: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        // It is called by the first poll, where a panic is caught.
        async move { (self.0)(connection.clone(), group.to_owned()).await.allowed() }.boxed()
    }
}

/// What `#[authorize]` and the hook of a layer may return.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`authorize` cannot return `{Self}`",
    label = "must be `bool`, `Result<bool, E>` or `Result<(), E>` with `E: Into<channels::Error>`"
)]
pub trait Allowed {
    fn allowed(self) -> Result<(), Error>;
}

#[diagnostic::do_not_recommend]
impl Allowed for bool {
    fn allowed(self) -> Result<(), Error> {
        if self { Ok(()) } else { Err(Error::authorization("You may not join this group.")) }
    }
}

#[diagnostic::do_not_recommend]
impl<E: IntoError> Allowed for Result<(), E> {
    fn allowed(self) -> Result<(), Error> {
        self.map_err(IntoError::into_error)
    }
}

#[diagnostic::do_not_recommend]
impl<E: IntoError> Allowed for Result<bool, E> {
    fn allowed(self) -> Result<(), Error> {
        self.map_err(IntoError::into_error)?.allowed()
    }
}
