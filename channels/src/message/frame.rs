//! What goes over a socket: a finished text or a run of bytes.

use bytes::Bytes;
use bytestring::ByteString;

/// One data frame, finished. A copy costs a reference count, whatever its size.
///
/// As a reply it is sent as it is, outside any envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(ByteString),
    /// A binary frame.
    Binary(Bytes),
}

impl Frame {
    /// The payload's size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
