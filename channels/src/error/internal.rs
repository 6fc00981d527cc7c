//! Foreign errors become internal ones, on purpose.

use super::{BoxError, Error};

/// `.or_internal()?` for errors that a client has no business with.
///
/// There is no `From` for foreign errors: what a client may read is said by whoever writes the
/// handler, never by a database driver.
///
/// ```
/// use channels::{Error, OrInternal};
///
/// fn limit(text: &str) -> Result<u32, Error> {
///     let limit = text.parse::<u32>().or_internal()?;
///     Ok(limit)
/// }
/// assert_eq!(limit("x").unwrap_err().message(), "Something went wrong on the server.");
/// ```
pub trait OrInternal<T> {
    /// Turns the error into a `SYSTEM_ERROR` that has it as its source.
    ///
    /// # Errors
    ///
    /// Whatever the result already held, wrapped.
    fn or_internal(self) -> Result<T, Error>;
}

impl<T, E: Into<BoxError>> OrInternal<T> for Result<T, E> {
    fn or_internal(self) -> Result<T, Error> {
        self.map_err(Error::internal)
    }
}
