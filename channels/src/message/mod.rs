//! Messages: the envelope, its encodings, and the traits of the typed enums.
//!
//! A received frame is looked at once to find its name, its id and where its payload stands; the
//! payload itself is parsed once, from the received bytes, by the handler that takes it.

mod answered;
mod careful;
mod decode;
mod depth;
mod fault;
mod frame;
mod incoming;
mod layout;
mod outgoing;
mod payload;
mod policy;
mod raw;
mod reply;
mod request_id;
mod serializer;

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

pub(crate) use answered::{Answered, Keeper, Told};
#[cfg(any(test, fuzzing))]
pub(crate) use careful::read as read_carefully;
pub(crate) use decode::Rejected;
pub use frame::Frame;
pub use incoming::Incoming;
#[doc(hidden)]
pub use incoming::{At, Broken, Carried, HasMessage, NotCarried, Nothing, ReadPayload};
pub use layout::Layout;
pub use outgoing::{NoMessages, Outgoing};
#[doc(hidden)]
pub use outgoing::{WritePayload, write_envelope};
pub(crate) use outgoing::{control_frame, error_frame};
pub use policy::{Key, MAX_KEY_BYTES, MessagePolicy, OutboxPolicy};
#[doc(hidden)]
pub use policy::{KeyField, KeyFields};
pub use raw::Raw;
#[doc(hidden)]
pub use reply::IntoError;
pub use reply::{AsFrames, AsMessages, Reply, ReplySink};
pub use request_id::{MAX_REQUEST_ID_BYTES, RequestId};
#[cfg(feature = "msgpack")]
pub use serializer::MessagePack;
pub(crate) use serializer::subprotocol;
pub use serializer::{Json, Serializer};

use crate::error::{Error, ErrorCode};

/// How urgent a client says its message is. The framework attaches nothing to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before others.
    High,
    /// As it comes.
    #[default]
    Normal,
    /// After others.
    Low,
}

/// A received message: its envelope read, its payload not yet.
///
/// ```
/// use channels::message::{Layout, Message};
///
/// let message = Message::from_json(r#"{"type": "chat", "data": {"n": 1}, "id": 7}"#, Layout::DEFAULT).unwrap();
/// assert_eq!(message.name(), "chat");
/// assert_eq!(message.data(), r#"{"n": 1}"#);
/// ```
#[derive(Clone, Debug)]
pub struct Message {
    frame: ByteString,
    name: Part,
    /// Empty where the member is absent.
    data: Part,
    metadata: Part,
    id: Option<RequestId>,
    answered: Answered,
    ttl: Option<Ttl>,
    priority: Priority,
    received_at: Instant,
    instead: Option<Box<Instead>>,
}

/// Where something stands in the frame.
type Part = Range<usize>;

/// What takes the place of what stands in the frame.
#[derive(Clone, Debug, Default)]
struct Instead {
    name: Option<ByteString>,
    data: Option<ByteString>,
}

/// `ttl_seconds`, with everything below a nanosecond expired at once.
#[derive(Clone, Copy, Debug)]
enum Ttl {
    Expired,
    For(Duration),
}

impl Message {
    /// Reads an envelope.
    ///
    /// # Errors
    ///
    /// `INVALID_JSON`, `INVALID_MESSAGE_FORMAT` or `MISSING_MESSAGE_TYPE`, see the protocol.
    pub fn from_json(json: impl Into<ByteString>, layout: Layout) -> Result<Self, Error> {
        decode::decode(json.into(), layout, Instant::now()).map_err(|rejected| rejected.error)
    }

    /// As [`Message::from_json`], of a frame that arrived then, and keeps the `id` of what is refused.
    pub(crate) fn read(json: ByteString, layout: Layout, received_at: Instant) -> Result<Self, Rejected> {
        decode::decode(json, layout, received_at)
    }

    /// Its name: what stands under `type`.
    pub fn name(&self) -> &str {
        let instead = self.instead.as_ref().and_then(|instead| instead.name.as_deref());
        instead.unwrap_or_else(|| self.part(&self.name))
    }

    /// The same, without a copy.
    pub(crate) fn shared_name(&self) -> ByteString {
        let instead = self.instead.as_ref().and_then(|instead| instead.name.clone());
        instead.unwrap_or_else(|| self.frame.slice_ref(self.part(&self.name)))
    }

    /// Its payload, as JSON; empty where there is none.
    pub fn data(&self) -> &str {
        let instead = self.instead.as_ref().and_then(|instead| instead.data.as_deref());
        instead.unwrap_or_else(|| self.part(&self.data))
    }

    fn part(&self, part: &Part) -> &str {
        &self.frame[part.clone()]
    }

    /// The same in memory of its own, to be kept: its frame may lie in a buffer that others share.
    pub(crate) fn detached(mut self) -> Self {
        self.frame = ByteString::from(&*self.frame);
        self
    }

    /// Parses the payload.
    ///
    /// # Errors
    ///
    /// `VALIDATION_FAILED` with the field in `details`, and with what was expected there, never with what was sent; `INVALID_JSON` for text that cannot be, such
    /// as half of a surrogate pair.
    pub fn payload<P: DeserializeOwned>(&self) -> Result<P, Error> {
        payload::payload(self.data())
    }

    /// The request's id, where the client wants exactly one answer.
    pub fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }

    pub(crate) fn answered(&self) -> &Answered {
        &self.answered
    }

    /// What the client put into `metadata`: a JSON object, or nothing.
    pub fn metadata(&self) -> Option<&str> {
        (!self.metadata.is_empty()).then(|| self.part(&self.metadata))
    }

    /// How urgent the client says it is.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// When its frame arrived.
    pub fn received_at(&self) -> Instant {
        self.received_at
    }

    /// The size of its frame in bytes.
    pub fn size(&self) -> usize {
        self.frame.len()
    }

    /// Whether it is nested deeper than so many levels, below the envelope.
    pub(crate) fn is_deeper(&self, layout: Layout, levels: usize) -> bool {
        let envelope = usize::from(layout.content().is_some());
        depth::is_deeper(&self.frame, levels.saturating_add(envelope))
    }

    /// Which member is nested deeper; `message` where that is one that the protocol does not know, whose name is the client's own
    /// and not said again, or where the layout is flat.
    pub(crate) fn deeper_member(&self, layout: Layout, levels: usize) -> &'static str {
        let members = [(layout.content(), &self.data), (Some("metadata"), &self.metadata)];
        let deeper =
            |(name, part): (Option<&'static str>, &Part)| name.filter(|_| depth::is_deeper(self.part(part), levels));
        members.into_iter().find_map(deeper).unwrap_or("message")
    }

    /// Whether its `ttl_seconds`, counted from its receipt, have passed; 0 or less at once.
    pub fn is_expired(&self) -> bool {
        match self.ttl {
            None => false,
            Some(Ttl::Expired) => true,
            Some(Ttl::For(ttl)) => self.received_at.elapsed() >= ttl,
        }
    }

    /// The same message under another name, for middleware that translates.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<ByteString>) -> Self {
        self.instead.get_or_insert_default().name = Some(name.into());
        self
    }

    /// The same message with another payload, for middleware that changes it.
    ///
    /// # Errors
    ///
    /// `SYSTEM_ERROR` where the payload does not serialize.
    pub fn with_payload<P: Serialize>(mut self, payload: &P) -> Result<Self, Error> {
        let data = serde_json::to_string(payload).map_err(Error::internal)?;
        self.instead.get_or_insert_default().data = Some(data.into());
        Ok(self)
    }
}

/// The error for a frame of a kind that a consumer does not take.
pub(crate) fn unexpected_binary() -> Error {
    Error::new(ErrorCode::InvalidMessageParams, "Binary frames are not taken here.")
}

/// Bytes that are no envelope of the negotiated encoding.
pub(crate) fn undecodable(serializer: &dyn Serializer, bytes: Bytes) -> Result<ByteString, Error> {
    serializer.decode(bytes).map_err(|source| {
        Error::new(ErrorCode::InvalidJson, format!("This is no {} message.", serializer.name())).with_source(source)
    })
}

/// The message came too late; told only to who asked for an answer.
pub(crate) fn expired() -> Error {
    Error::new(ErrorCode::MessageError, "The message has expired.").only_for_requests()
}
