//! What clients may send.

use serde::de::DeserializeOwned;

use super::Message;
use super::layout::Layout;
use crate::error::Error;

/// An enum of the messages that a consumer takes; made by `#[derive(Incoming)]`.
///
/// ```
/// use channels::prelude::*;
/// # use serde::Deserialize;
///
/// #[derive(Debug, Deserialize)]
/// struct Join { room: String }
///
/// #[derive(Debug, Incoming)]
/// enum ClientMessage { JoinRoom(Join), Leave, #[channels(rename = "chat.ping")] Ping }
///
/// assert_eq!(ClientMessage::NAMES, ["join_room", "leave", "chat.ping"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of incoming messages",
    label = "needs `#[derive(Incoming)]`"
)]
pub trait Incoming: Sized {
    /// The names on the wire, in the order of the variants.
    const NAMES: &'static [&'static str];
    /// The envelope.
    const LAYOUT: Layout;

    /// The variant of a received message.
    ///
    /// # Errors
    ///
    /// `INVALID_MESSAGE_PARAMS` for a name that is none of [`Incoming::NAMES`], `VALIDATION_FAILED`
    /// for a payload that does not parse.
    fn decode(message: &Message) -> Result<Self, Error>;
}

/// The message [`At`] one place of [`Incoming::NAMES`]; made by the derive, used by `#[consumer]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of incoming messages",
    label = "needs `#[derive(Incoming)]`"
)]
pub trait HasMessage<I> {
    /// What it carries, or [`Nothing`].
    type Payload;
    /// [`Carried`] or [`NotCarried`].
    type Kind;

    /// Reads what it carries.
    fn read(message: &Message) -> Result<Self::Payload, Error>;
}

/// A place.
#[doc(hidden)]
#[derive(Debug)]
pub enum At<const INDEX: usize> {}

/// The payload of a message without one.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nothing;

/// The kind of a message that has a payload.
#[doc(hidden)]
#[derive(Debug)]
pub enum Carried {}

/// The kind of a message that has none.
#[doc(hidden)]
#[derive(Debug)]
pub enum NotCarried {}

/// The kind of all messages of an enum whose derive has failed, and has said so.
#[doc(hidden)]
#[derive(Debug)]
pub enum Broken {}

/// A payload that can be read.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the payload of an incoming message",
    label = "needs `#[derive(Deserialize)]`"
)]
pub trait ReadPayload: Sized + Send {
    /// Reads it.
    fn read(message: &Message) -> Result<Self, Error>;
}

#[diagnostic::do_not_recommend]
impl<P: DeserializeOwned + Send> ReadPayload for P {
    fn read(message: &Message) -> Result<Self, Error> {
        message.payload()
    }
}
