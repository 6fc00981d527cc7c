//! As much of RFC 6455 as the direct server needs: whole frames, in place.

use base64::Engine;
use sha1::{Digest, Sha1};

/// Appended to the key of a handshake, by the RFC.
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
pub(super) fn accept(key: &[u8]) -> String {
    let hash = Sha1::new().chain_update(key).chain_update(MAGIC).finalize();
    base64::engine::general_purpose::STANDARD.encode(hash)
}

/// Appends a frame of a server.
pub(super) fn write(to: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    let length = payload.len();
    to.reserve(length + 10);
    to.push(0x80 | opcode);
    if length < 126 {
        to.push(length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        to.push(126);
        to.extend(length.to_be_bytes());
    } else {
        to.push(127);
        to.extend((length as u64).to_be_bytes());
    }
    to.extend_from_slice(payload);
}

/// A frame of a client, unmasked where it lay.
pub(super) struct Frame<'a> {
    pub(super) opcode: u8,
    pub(super) payload: &'a mut [u8],
}

/// Takes the first frame off the front of `bytes`; `None` where it is not all there.
pub(super) fn take<'a>(bytes: &mut &'a mut [u8]) -> Option<Frame<'a>> {
    let (start, length) = layout(bytes)?;
    if bytes.len() < start.saturating_add(length) {
        return None;
    }
    let (frame, rest) = std::mem::take(bytes).split_at_mut(start + length);
    *bytes = rest;
    let opcode = frame[0] & 0x0f;
    let (head, payload) = frame.split_at_mut(start);
    let key = [head[start - 4], head[start - 3], head[start - 2], head[start - 1]];
    let (words, last) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in last.iter_mut().zip(key) {
        *byte ^= key;
    }
    Some(Frame { opcode, payload })
}

/// Where a masked frame's payload begins, and its length.
fn layout(bytes: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match bytes.get(1)? & 0x7f {
        126 => (8, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (14, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (6, usize::from(short)),
    };
    (bytes.len() >= start).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_is_answered_as_it_says() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn frames_of_every_length_are_taken_one_by_one() {
        let mut bytes = Vec::new();
        for length in [0, 125, 126, 65_535, 65_536] {
            let at = bytes.len();
            write(&mut bytes, TEXT, &vec![b'x' ^ 1; length]);
            // A client's frame has a key between the length and the payload.
            bytes[at + 1] |= 0x80;
            let payload = bytes.len() - length;
            bytes.splice(payload..payload, [1; 4]);
        }
        bytes.extend([0x81, 0x85, 0]);
        let mut rest = &mut bytes[..];
        let mut lengths = Vec::new();
        while let Some(frame) = take(&mut rest) {
            assert!(frame.opcode == TEXT && frame.payload.iter().all(|byte| *byte == b'x'));
            lengths.push(frame.payload.len());
        }
        assert_eq!(lengths, [0, 125, 126, 65_535, 65_536]);
        assert_eq!(rest.len(), 3, "what is not all there stays");
    }
}
