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

/// Replies are messages: of `#[on("…")]`, and of `#[connect]` and `#[error]` beside it.
#[derive(Clone, Copy, Debug)]
pub enum AsMessages {}

/// Text and bytes are frames of their own: of `#[on_text]` and `#[on_binary]`, and of `#[connect]` and `#[error]` where an
/// `#[on_text]` takes every text frame, so that there are no messages.
#[derive(Clone, Copy, Debug)]
pub enum AsFrames {}

/// What a handler of a consumer with `outgoing = M` may return.
///
/// `()`, `M`, a payload that only one variant of `M` carries, a raw [`Frame`], and `Option`, `Vec` and `Result` of
/// these. The error of a `Result` is anything that becomes an [`Error`].
///
/// `String`, `ByteString` and `Bytes` are payloads as others are. Only where handlers reply [`AsFrames`] they are raw frames:
/// in a text that is no envelope, a client that speaks messages would find no message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply of a consumer with `outgoing = {M}`",
    label = "neither `{M}` nor a payload that exactly one of its variants carries",
    note = "where `#[consumer]` has no `outgoing = …`, add it: the enum of what the server sends",
    note = "a handler returns `()`, a message of `outgoing`, or an `Option`, `Vec` or `Result<_, impl Into<channels::Error>>` of one; a payload that two variants share is returned as its variant",
    note = "what is to stand outside of any envelope is returned as a `channels::message::Frame`; in `#[on_text]` and `#[on_binary]` also as `String`, `ByteString` or `Bytes`"
)]
pub trait Reply<M, As = AsMessages> {
    /// Hands its messages to the sink.
    ///
    /// # Errors
    ///
    /// The handler's own, or the sink's.
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error>;
}

impl<M, As> Reply<M, As> for () {
    fn reply(self, _sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        Ok(())
    }
}

impl<M, As> Reply<M, As> for Frame {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(self)
    }
}

impl<M> Reply<M, AsFrames> for ByteString {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(Frame::Text(self))
    }
}

impl<M> Reply<M, AsFrames> for String {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(Frame::Text(self.into()))
    }
}

impl<M> Reply<M, AsFrames> for Bytes {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        sink.frame(Frame::Binary(self))
    }
}

/// The error is answered as if the handler had failed with it.
impl<M, As> Reply<M, As> for Error {
    fn reply(self, _sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        Err(self)
    }
}

impl<M, As, R: Reply<M, As>> Reply<M, As> for Option<R> {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        match self {
            Some(reply) => reply.reply(sink),
            None => Ok(()),
        }
    }
}

impl<M, As, R: Reply<M, As>> Reply<M, As> for Vec<R> {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        self.into_iter().try_for_each(|reply| reply.reply(sink))
    }
}

impl<M, As, R: Reply<M, As>, E: IntoError> Reply<M, As> for Result<R, E> {
    fn reply(self, sink: &mut dyn ReplySink<M>) -> Result<(), Error> {
        self.map_err(IntoError::into_error)?.reply(sink)
    }
}

/// `Into<Error>`, with words for what is not.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not become a `channels::Error`",
    label = "its `Err` has no answer for the client",
    note = "for an error of another crate, return `Result<_, channels::Error>` and write `.or_internal()?` where it happens: it is logged, and the client is told a `SYSTEM_ERROR`",
    note = "for an error type of your own, `impl From<…> for channels::Error` says what the client is told"
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
