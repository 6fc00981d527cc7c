//! What clients may send.

use std::marker::PhantomData;

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

/// The message at one place of [`Incoming::NAMES`]; made by the derive, used by `#[consumer]`.
#[doc(hidden)]
pub trait HasMessage<const INDEX: usize>: Incoming {
    /// [`Payload`] or [`Unit`].
    type Kind;
}

/// The kind of a message that carries a `P`.
#[doc(hidden)]
pub struct Payload<P>(PhantomData<P>);

/// The kind of a message without a payload.
#[doc(hidden)]
pub struct Unit;

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
