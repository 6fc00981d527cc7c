//! Trying again what may be tried again.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::error::{Delivery, Error};

/// The wait before the second try; doubled for each further one, with jitter.
pub const FIRST_RETRY_AFTER: Duration = Duration::from_millis(50);
/// The longest wait between two tries.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(2);
/// How often an operation is tried in all.
pub const MAX_TRIES: usize = 5;

/// Repeats an operation while its error [is retryable](Error::is_retryable), at most [`MAX_TRIES`]
/// times, with exponential backoff and jitter; an error's own `retry_after` is waited for. A send that may have arrived
/// ([`Delivery::Unknown`]) is not repeated.
///
/// # Errors
///
/// The last error.
///
/// # Cancel safety
///
/// As the operation's: dropped, it is not tried again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use channels::{Error, retry};
///
/// let mut tries = 0;
/// let done = retry(|| {
///     tries += 1;
///     let answer = if tries < 3 { Err(Error::backend("not yet")) } else { Ok(tries) };
///     async move { answer }
/// });
/// assert_eq!(done.await.unwrap(), 3);
/// # }
/// ```
pub async fn retry<T, F: Future<Output = Result<T, Error>>>(operation: impl FnMut() -> F) -> Result<T, Error> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(FIRST_RETRY_AFTER)
        .with_max_delay(MAX_RETRY_AFTER)
        .with_max_times(MAX_TRIES - 1)
        .with_jitter();
    operation
        .retry(backoff)
        // What may have been done already is not done again without being asked.
        .when(|error| error.is_retryable() && error.delivery() != Some(Delivery::Unknown))
        .adjust(|error, wait| wait.map(|wait| wait.max(error.retry_after().unwrap_or_default())))
        .notify(|error, wait| tracing::debug!(%error, ?wait, "trying again"))
        .await
}
