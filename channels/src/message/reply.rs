//! Return values of handlers are replies.

use bytes::Bytes;
use bytestring::ByteString;

use super::frame::Frame;
use crate::error::Error;

/// Takes what a handler returned, one reply after the other.
pub trait ReplySink<M>: Send {
    /// A typed message.
    ///
    /// # Errors
    ///
    /// Where it cannot be encoded, or the connection takes nothing any more.
    fn message(&mut self, message: M) -> Result<(), Error>;

    /// A raw frame, outside any envelope.
    ///
    /// # Errors
    ///
    /// Where the connection takes nothing any more.
    fn frame(&mut self, frame: Frame) -> Result<(), Error>;
}

/// What a handler of a consumer with `outgoing = M` may return.
///
/// `()`, `M`, a payload that only one variant of `M` carries, a raw [`Frame`] (or `ByteString`,
/// `String`, `Bytes`, `Vec<u8>`-like data as one), and `Option`, `Vec` and `Result` of these. The
/// error of a `Result` is anything that becomes an [`Error`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply of this consumer",
    label = "neither `{M}` nor a payload that exactly one of its variants carries",
    note = "a handler returns `()`, a message of `#[consumer(outgoing = …)]`, or an `Option`, `Vec` or `Result<_, impl Into<channels::Error>>` of one",
    note = "a payload that two variants share is returned as its variant"
)]
pub trait Reply<M> {
    /// Hands its messages to the sink.
    ///
    /// # Errors
    ///
    /// The handler's own, or the sink's.
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error>;
}

impl<M> Reply<M> for () {
    fn reply(self, _sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        Ok(())
    }
}

impl<M> Reply<M> for Frame {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(self)
    }
}

impl<M> Reply<M> for ByteString {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(Frame::Text(self))
    }
}

impl<M> Reply<M> for String {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(Frame::Text(self.into()))
    }
}

impl<M> Reply<M> for Bytes {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(Frame::Binary(self))
    }
}

/// The error is answered as if the handler had failed with it.
impl<M> Reply<M> for Error {
    fn reply(self, _sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        Err(self)
    }
}

impl<M, R: Reply<M>> Reply<M> for Option<R> {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        match self {
            Some(reply) => reply.reply(sink),
            None => Ok(()),
        }
    }
}

impl<M, R: Reply<M>> Reply<M> for Vec<R> {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        self.into_iter().try_for_each(|reply| reply.reply(sink))
    }
}

impl<M, R: Reply<M>, E: IntoError> Reply<M> for Result<R, E> {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        self.map_err(IntoError::into_error)?.reply(sink)
    }
}

/// `Into<Error>`, with words for what is not.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not become a `channels::Error`",
    label = "its `Err` has no answer for the client",
    note = "write `impl From<{Self}> for channels::Error`, or `.or_internal()?` for an error that is none of the client's business"
)]
pub trait IntoError {
    /// The error to answer with.
    fn into_error(self) -> Error;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> IntoError for E {
    fn into_error(self) -> Error {
        self.into()
    }
}
