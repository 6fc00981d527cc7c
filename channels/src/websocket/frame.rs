//! Frames on their way out: unmasked, whole, with the header in front of the payload.

use bytes::{BufMut, Bytes, BytesMut};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OpCode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl OpCode {
    pub(super) fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(super) fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

pub(super) const FIN: u8 = 0x80;
/// Set on the first frame of a compressed message.
pub(super) const RSV1: u8 = 0x40;
/// The longest payload of a control frame.
pub(super) const MAX_CONTROL_BYTES: usize = 125;
/// The second byte of a frame whose length follows in two bytes.
pub(super) const LENGTH_IN_2: u8 = 126;
/// The second byte of a frame whose length follows in eight bytes.
pub(super) const LENGTH_IN_8: u8 = 127;

/// One finished frame or several, as they go over the wire, and what they carry. A copy costs a reference count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// How many data messages it holds.
    pub(crate) messages: u32,
    /// How many of its bytes are payload.
    pub(crate) payload: usize,
}

/// A data message as a chunk of its own.
pub(crate) fn data(opcode: OpCode, payload: &[u8], compressed: bool) -> Chunk {
    // Memory that is full needs no second allocation to be shared by one.
    let mut bytes = BytesMut::with_capacity(header_bytes(payload.len()) + payload.len());
    put(&mut bytes, FIN | if compressed { RSV1 } else { 0 } | opcode as u8, payload);
    Chunk { bytes: bytes.freeze(), messages: 1, payload: payload.len() }
}

/// A control frame; what is too long for one is cut.
pub(crate) fn control(opcode: OpCode, payload: &[u8]) -> Chunk {
    let payload = &payload[..payload.len().min(MAX_CONTROL_BYTES)];
    let mut bytes = BytesMut::with_capacity(2 + payload.len());
    put(&mut bytes, FIN | opcode as u8, payload);
    Chunk { bytes: bytes.freeze(), messages: 0, payload: 0 }
}

/// The size of a header without a mask.
fn header_bytes(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each arm has looked at the length")]
fn put(bytes: &mut BytesMut, first: u8, payload: &[u8]) {
    bytes.put_u8(first);
    match payload.len() {
        len @ 0..=125 => bytes.put_u8(len as u8),
        len @ 126..=0xffff => {
            bytes.put_u8(LENGTH_IN_2);
            bytes.put_u16(len as u16);
        }
        len => {
            bytes.put_u8(LENGTH_IN_8);
            bytes.put_u64(len as u64);
        }
    }
    bytes.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_stands_in_the_shortest_form() {
        let head = |len: usize| {
            let frame = data(OpCode::Binary, &vec![0; len], false).bytes;
            assert_eq!(frame.len(), header_bytes(len) + len);
            frame.to_vec()
        };
        assert_eq!(head(0), [0x82, 0]);
        assert_eq!(head(125)[..2], [0x82, 125]);
        assert_eq!(head(126)[..4], [0x82, 126, 0, 126]);
        assert_eq!(head(0xffff)[..4], [0x82, 126, 0xff, 0xff]);
        assert_eq!(head(0x1_0000)[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_control_frame_is_never_too_long() {
        assert_eq!(control(OpCode::Pong, &[1; 200]).bytes.len(), 2 + MAX_CONTROL_BYTES);
    }
}
