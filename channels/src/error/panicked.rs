//! A panic of somebody's code, as an error whose words stay in the log.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::Error;

/// A panic of a hook, as an error.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Error {
    let words = payload.downcast_ref::<&str>().map(|words| String::from(*words));
    let words = words.or_else(|| payload.downcast_ref::<String>().cloned());
    Error::internal(format!("panic: {}", words.unwrap_or_else(|| "without words".into()))).with_component("consumer")
}

/// Turns a panic into an error.
///
/// The consumer is used again afterwards, as a `Mutex` would be after poisoning was ignored: what it
/// keeps is the application's, and one bad message must not cost the client its connection.
pub(crate) fn caught<T>(work: impl Future<Output = Result<T, Error>>) -> impl Future<Output = Result<T, Error>> {
    // No `async fn`, which would hold the work twice.
    AssertUnwindSafe(work).catch_unwind().map(|outcome| outcome.unwrap_or_else(|payload| Err(panicked(&*payload))))
}

/// As [`caught`], for what does not wait.
pub(crate) fn caught_now<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(work));
    outcome.unwrap_or_else(|payload| Err(panicked(&*payload)))
}
