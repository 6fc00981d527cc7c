//! Frames: whatever the pieces, the same messages.

use bytes::{Bytes, BytesMut};

use crate::websocket::{Decoder, Event, OpCode, Rules, compress, data};

/// The sizes that a message may have.
const SIZES: [usize; 3] = [16, 1 << 10, 1 << 16];

/// The first byte says the rules, the second the size of the pieces; the rest is what a client sends.
pub fn decoder(input: &[u8]) {
    let [options, piece, stream @ ..] = input else { return };
    let rules = Rules {
        max_message_size: SIZES[usize::from(options % 3)],
        masked: options & 4 == 0,
        deflate: options & 8 != 0,
    };
    let whole = decoded(rules, [stream].into_iter());
    assert_eq!(whole, decoded(rules, stream.chunks(usize::from(piece % 64) + 1)), "it depends on the pieces");
    for event in &whole.0 {
        let size = match event {
            Event::Text(text) => text.len(),
            Event::Binary(data) => data.len(),
            Event::Ping(payload) => payload.len() * rules.max_message_size / 125,
            Event::Pong(_) | Event::Close(_) => 0,
        };
        assert!(size <= rules.max_message_size, "{size} bytes came through");
    }
    // What this server writes, a client reads.
    let to_client = Rules { max_message_size: usize::MAX, masked: false, deflate: true };
    let sent = || (vec![Event::Binary(Bytes::copy_from_slice(stream))], None);
    let frame = data(OpCode::Binary, stream, false);
    assert_eq!(decoded(to_client, [&frame.bytes[..]].into_iter()), sent());
    if let Some(small) = compress(stream, 9 + piece % 7) {
        let frame = data(OpCode::Binary, &small, true);
        assert_eq!(decoded(to_client, frame.bytes.chunks(7)), sent(), "compressed");
    }
}

/// The messages, and the code that the connection is closed with.
fn decoded<'a>(rules: Rules, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<u16>) {
    let (mut decoder, mut pending, mut events) = (Decoder::new(rules), BytesMut::new(), Vec::new());
    for piece in pieces {
        // As the reader does: what belongs to a frame that has begun goes straight to its message.
        let mut piece = piece.to_vec();
        let taken = if pending.is_empty() { decoder.absorb(&mut piece) } else { Ok(0) };
        match taken {
            Ok(taken) => pending.extend_from_slice(&piece[taken..]),
            Err(reason) => return (events, Some(reason.code().as_u16())),
        }
        loop {
            match decoder.decode(&mut pending) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(reason) => return (events, Some(reason.code().as_u16())),
            }
        }
    }
    (events, None)
}
