//! What the server sends, encoded once.

use std::cell::Cell;

use bytes::Bytes;
use bytestring::ByteString;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::layout::Layout;
use super::policy::MessagePolicy;
use super::request_id::RequestId;
use crate::error::{Error, ErrorResponse};

/// An enum of the messages that a server sends; made by `#[derive(Outgoing)]`.
///
/// The derive also gives `From<Payload>` for each payload that only one variant carries, and makes
/// such a payload a reply by itself.
///
/// ```
/// use channels::prelude::*;
/// # use serde::Serialize;
///
/// #[derive(Debug, Clone, Serialize)]
/// struct Posted { text: String }
///
/// #[derive(Debug, Clone, Outgoing)]
/// enum ServerMessage { ChatMessage(Posted), Bye }
///
/// let message = ServerMessage::from(Posted { text: "hi".into() });
/// assert_eq!(message.name(), "chat_message");
/// assert_eq!(message.to_json(None).unwrap(), r#"{"type":"chat_message","data":{"text":"hi"}}"#);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an outgoing message",
    label = "needs `#[derive(Outgoing)]`, or to be turned into its variant: `ServerMessage::from(…)`"
)]
pub trait Outgoing: Send + Sync {
    /// The name on the wire.
    fn name(&self) -> &str;

    /// The finished envelope, with `re` where it answers a request.
    ///
    /// # Errors
    ///
    /// `SYSTEM_ERROR` where the payload's `Serialize` fails or does not fit the layout.
    fn to_json(&self, re: Option<&RequestId>) -> Result<ByteString, Error>;

    /// What happens to it where a client is too slow: `#[channels(outbox = "…")]` on its variant. An answer that bears `re`
    /// does not ask for it: exactly one frame answers a request.
    ///
    /// # Errors
    ///
    /// As [`Key::new`](super::Key::new).
    fn outbox(&self) -> Result<MessagePolicy, Error> {
        Ok(MessagePolicy::OfConsumer)
    }
}

/// A consumer that sends no messages of its own, only raw frames.
#[derive(Clone, Copy, Debug)]
pub enum NoMessages {}

#[diagnostic::do_not_recommend]
impl Outgoing for NoMessages {
    fn name(&self) -> &str {
        match *self {}
    }

    fn to_json(&self, _re: Option<&RequestId>) -> Result<ByteString, Error> {
        match *self {}
    }
}

/// A payload that can be written.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the payload of an outgoing message",
    label = "needs `#[derive(Serialize)]`"
)]
pub trait WritePayload {
    /// Writes the envelope around it.
    fn write(&self, layout: Layout, name: &str, re: Option<&RequestId>) -> Result<ByteString, Error>;
}

#[diagnostic::do_not_recommend]
impl<P: Serialize + ?Sized> WritePayload for P {
    fn write(&self, layout: Layout, name: &str, re: Option<&RequestId>) -> Result<ByteString, Error> {
        write_envelope(layout, name, Some(self), re)
    }
}

/// Writes one envelope. What follows the payload (`re`, later `seq` and `epoch`) stands last.
#[doc(hidden)]
pub fn write_envelope<P: Serialize + ?Sized>(
    layout: Layout,
    name: &str,
    payload: Option<&P>,
    re: Option<&RequestId>,
) -> Result<ByteString, Error> {
    // Taken out while it is written to: a `Serialize` may send something itself.
    // A thread that ends has none left.
    let mut json = SCRATCH.try_with(Cell::take).unwrap_or_default();
    json.clear();
    let written = match layout.content() {
        Some(content) => Nested { tag: layout.tag(), content, name, payload, re }
            .serialize(&mut serde_json::Serializer::new(&mut json)),
        None => Flat { head: Head { tag: layout.tag(), name }, payload, re }
            .serialize(&mut serde_json::Serializer::new(&mut json)),
    };
    // serde_json writes UTF-8; the check costs less than an `unsafe` would need to be argued for.
    let finished = ByteString::try_from(Bytes::copy_from_slice(&json)).map_err(Error::internal);
    if json.capacity() <= SCRATCH_BYTES {
        let _ = SCRATCH.try_with(|scratch| scratch.set(json));
    }
    written.map_err(|error| Error::internal(error).with_component("encode"))?;
    finished
}

/// The largest buffer that a thread keeps for the next message.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where messages are written before their size is known, so that none waits in memory larger than itself.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

struct Nested<'a, P: ?Sized> {
    tag: &'a str,
    content: &'a str,
    name: &'a str,
    payload: Option<&'a P>,
    re: Option<&'a RequestId>,
}

impl<P: Serialize + ?Sized> Serialize for Nested<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.tag, self.name)?;
        if let Some(payload) = self.payload {
            map.serialize_entry(self.content, payload)?;
        }
        if let Some(re) = self.re {
            map.serialize_entry("re", re)?;
        }
        map.end()
    }
}

struct Head<'a> {
    tag: &'a str,
    name: &'a str,
}

impl Serialize for Head<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.tag, self.name)?;
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Flat<'a, P: Serialize + ?Sized> {
    #[serde(flatten)]
    head: Head<'a>,
    #[serde(flatten)]
    payload: Option<&'a P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    re: Option<&'a RequestId>,
}

/// `{"type": "error", "re": …, "data": …}`.
pub(crate) fn error_frame(layout: Layout, error: &Error, re: Option<&RequestId>) -> Result<ByteString, Error> {
    write_envelope(layout, "error", Some(&ErrorResponse::from(error)), re)
}

/// A frame of the framework's own: `$ok`, `pong`, `$reconnect`.
pub(crate) fn control_frame<P: Serialize>(
    layout: Layout,
    name: &str,
    payload: Option<&P>,
    re: Option<&RequestId>,
) -> Result<ByteString, Error> {
    write_envelope(layout, name, payload, re)
}
