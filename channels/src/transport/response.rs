//! An error as a response: its line in the log is written here, so that nobody has to mount anything for it.

use std::future::Future;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::error::Error;
use crate::layer::log;

tokio::task_local! {
    /// Whoever asks `#[accept]` writes the line, as it knows who came.
    static IS_LEFT_TO_CALLER: ();
}

/// An error that became a response, and is not in the log yet.
#[derive(Clone)]
struct Unlogged(Arc<Error>);

/// Errors that become responses inside this are found by [`unlogged`], and not in the log.
pub(super) fn left_to_caller<F: Future>(work: F) -> impl Future<Output = F::Output> {
    IS_LEFT_TO_CALLER.scope((), work)
}

/// The error that a response was made of, where the log does not know it.
pub(super) fn unlogged(response: &mut Response) -> Option<Arc<Error>> {
    response.extensions_mut().remove().map(|Unlogged(error)| error)
}

impl Error {
    /// The response with another status than [`Error::status`]. As with [`IntoResponse`], the error is in the log when this
    /// returns, with its source, as [the guide](crate::docs::seeing) says, and what `#[accept]` refuses with when that is sent; whoever sends something else writes it there
    /// themselves.
    ///
    /// A 401 names a scheme that no browser knows, so that none asks for a password. One of the application's takes its place:
    ///
    /// ```
    /// use axum::http::header::WWW_AUTHENTICATE;
    /// use axum::response::IntoResponse;
    /// use channels::Error;
    ///
    /// let error = Error::authentication("A token is needed.");
    /// let response = ([(WWW_AUTHENTICATE, "Bearer")], error).into_response();
    /// assert_eq!(response.status(), 401);
    /// assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    /// ```
    pub fn into_response_with(self, status: StatusCode) -> Response {
        let mut response = self.response_with(status);
        if IS_LEFT_TO_CALLER.try_with(|()| ()).is_ok() {
            response.extensions_mut().insert(Unlogged(Arc::new(self)));
        } else {
            log::response(&self);
        }
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        self.into_response_with(status)
    }
}
