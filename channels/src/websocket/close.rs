//! The payload of a close frame.

use std::borrow::Cow;

use super::frame::{Chunk, OpCode, control};
use crate::close::{CloseCode, CloseReason};

/// The close frame for a reason; 1005 and 1006, which never go over the wire, become one without a code.
pub(crate) fn close_frame(reason: &CloseReason) -> Chunk {
    let Some(code) = CloseCode::new(reason.code().as_u16()) else { return control(OpCode::Close, &[]) };
    let mut payload = code.as_u16().to_be_bytes().to_vec();
    payload.extend_from_slice(reason.text().as_bytes());
    control(OpCode::Close, &payload)
}

/// What the client says when it closes; nothing where its frame is empty.
pub(super) fn read(payload: &[u8]) -> Result<Option<(u16, String)>, CloseReason> {
    let Some((code, text)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(broken("a close code has two bytes")) };
    };
    let code = u16::from_be_bytes(*code);
    if CloseCode::new(code).is_none() {
        return Err(broken("this close code must not be sent"));
    }
    match std::str::from_utf8(text) {
        Ok(text) => Ok(Some((code, text.to_owned()))),
        Err(_) => Err(CloseReason::server(CloseCode::INVALID_PAYLOAD, "the reason is not UTF-8")),
    }
}

/// The client broke the protocol.
pub(super) fn broken(words: impl Into<Cow<'static, str>>) -> CloseReason {
    CloseReason::server(CloseCode::PROTOCOL_ERROR, words)
}
