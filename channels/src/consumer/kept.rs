//! An answer as it is kept: what the request was, and all that was told, in order.

use bytes::Bytes;
use bytestring::ByteString;

use crate::connection::Connection;
use crate::error::{Error, ErrorCode};
use crate::message::{Frame, Told};

/// The largest answer that is kept, in bytes. Of a larger one it is only known that it was given.
pub(super) const MAX_ANSWER_BYTES: usize = 256 * 1024;

const ENVELOPE: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// There was more than is kept.
const TOO_LARGE: u8 = 3;

/// An answer that is being given.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Kept {
    /// To the request with this fingerprint.
    pub(super) fn of(fingerprint: u64) -> Self {
        Self { bytes: fingerprint.to_le_bytes().to_vec(), is_whole: true }
    }

    pub(super) fn push(&mut self, told: Told<'_>) {
        let (kind, part): (u8, &[u8]) = match told {
            Told::Envelope(json) => (ENVELOPE, json.as_bytes()),
            Told::Frame(Frame::Text(text)) => (TEXT, text.as_bytes()),
            Told::Frame(Frame::Binary(data)) => (BINARY, data),
        };
        match u32::try_from(part.len()) {
            Ok(length) if self.is_whole && self.bytes.len() + part.len() <= MAX_ANSWER_BYTES => {
                self.bytes.push(kind);
                self.bytes.extend(length.to_le_bytes());
                self.bytes.extend(part);
            }
            _ if self.is_whole => self.only_that_it_was(),
            _ => {}
        }
    }

    /// Of this answer, and whatever it has more, is kept that it was given.
    fn only_that_it_was(&mut self) {
        self.bytes.truncate(size_of::<u64>());
        self.bytes.push(TOO_LARGE);
        self.is_whole = false;
    }

    /// What there is room for: all, or that it was given. No larger than it says, as it is counted by that.
    pub(super) fn into_bytes(mut self, has_room: impl FnOnce(usize) -> bool) -> Bytes {
        if self.is_whole && !has_room(self.bytes.len()) {
            self.only_that_it_was();
        }
        self.bytes.into_boxed_slice().into()
    }
}

/// Tells the client what was told before, where the request is the same.
///
/// # Errors
///
/// `VALIDATION_FAILED` where it is another request, `MESSAGE_ERROR` where the answer was too large to be kept, and what is
/// wrong with the connection.
pub(super) fn tell_again(kept: &Bytes, fingerprint: u64, connection: &Connection) -> Result<(), Error> {
    let Some((of, mut rest)) = kept.split_first_chunk() else { return Err(unreadable()) };
    if u64::from_le_bytes(*of) != fingerprint {
        return Err(Error::validation("id", "was used for another message"));
    }
    while let Some((kind, behind)) = rest.split_first() {
        if *kind == TOO_LARGE {
            return Err(Error::new(
                ErrorCode::MessageError,
                "This was done; its answer is too large to be given again.",
            ));
        }
        let (length, behind) = behind.split_first_chunk().ok_or_else(unreadable)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (part, behind) = behind.split_at_checked(length).ok_or_else(unreadable)?;
        let part = kept.slice_ref(part);
        match *kind {
            BINARY => connection.send_frame(Frame::Binary(part))?,
            kind => {
                let text = ByteString::try_from(part).map_err(|_| unreadable())?;
                if kind == ENVELOPE {
                    connection.send_json(&text)?
                } else {
                    connection.send_frame(Frame::Text(text))?
                }
            }
        }
        rest = behind;
    }
    Ok(())
}

fn unreadable() -> Error {
    Error::internal("what is kept of an answer cannot be read; was it written by another version?")
}

/// What tells one payload from another: FNV-1a of its JSON, without the white space between its tokens. Servers of different
/// builds agree on it. Whoever makes two payloads alike has only its own requests confused.
pub(super) fn fingerprint(json: &str) -> u64 {
    let (mut hash, mut in_string, mut escaped) = (0xcbf2_9ce4_8422_2325_u64, false, false);
    for byte in json.bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' if !in_string => continue,
            b'"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && byte == b'\\' && !escaped;
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_what_the_payload_says() {
        assert_eq!(fingerprint(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(r#"{"a": [1, 2]}"#), fingerprint("{\n\t\"a\":[1,2]\r\n}"));
        for (one, other) in [
            (r#""a b""#, r#""ab""#),
            (r#"["a\" b"]"#, r#"["a\"b"]"#),
            (r#"["\\", "a b"]"#, r#"["\\","ab"]"#),
            ("1", "2"),
        ] {
            assert_ne!(fingerprint(one), fingerprint(other), "{one} and {other}");
        }
    }

    #[test]
    fn an_answer_that_is_too_large_leaves_that_it_was_given() {
        let mut kept = Kept::of(7);
        kept.push(Told::Envelope("{}"));
        kept.push(Told::Envelope(&"x".repeat(MAX_ANSWER_BYTES)));
        kept.push(Told::Envelope("{}"));
        assert_eq!(kept.into_bytes(|_| true)[..], [7, 0, 0, 0, 0, 0, 0, 0, TOO_LARGE]);
    }

    #[test]
    fn what_there_is_no_room_for_leaves_that_it_was_given() {
        let mut kept = Kept::of(7);
        kept.push(Told::Envelope("{}"));
        assert_eq!(kept.into_bytes(|bytes| bytes > 15)[..], [7, 0, 0, 0, 0, 0, 0, 0, TOO_LARGE]);
    }

    #[test]
    fn an_answer_is_kept_in_no_more_memory_than_it_has_bytes() {
        let mut kept = Kept::of(7);
        for _ in 0..3 {
            kept.push(Told::Envelope(&"x".repeat(1000)));
        }
        assert!(kept.bytes.capacity() > kept.bytes.len());
        let bytes = kept.into_bytes(|_| true).try_into_mut().unwrap();
        assert_eq!(bytes.capacity(), bytes.len());
    }
}
