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

    /// The same in memory of its own, to be kept: what was just read may lie in a buffer that others share.
    pub(crate) fn detached(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(ByteString::from(&*text)),
            Self::Binary(data) => Self::Binary(Bytes::copy_from_slice(&data)),
        }
    }

    /// Whether it has no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
