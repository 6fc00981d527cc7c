//! What goes with a message that a server may do without: whoever does not know a hint skips it, so that servers of
//! two versions understand each other.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the kind |
//! | 2 | how many bytes follow |
//! | rest | `c`: a client that is too slow is closed; `d`: the message is dropped; `l`: the key of what it replaces |

use bytes::{Buf, BufMut, Bytes};
use bytestring::ByteString;

use crate::message::{Key, MessagePolicy};

const CLOSE: u8 = b'c';
const DROP_NEWEST: u8 = b'd';
const LATEST: u8 = b'l';

/// Writes them; nothing, and nothing is allocated, where there are none.
pub(super) fn write(policy: &MessagePolicy) -> Vec<u8> {
    let (kind, inside) = match policy {
        MessagePolicy::OfConsumer => return Vec::new(),
        MessagePolicy::Close => (CLOSE, ""),
        MessagePolicy::DropNewest => (DROP_NEWEST, ""),
        MessagePolicy::Latest(key) => (LATEST, key.as_str()),
    };
    let mut hints = Vec::with_capacity(3 + inside.len());
    put(&mut hints, kind, inside.as_bytes());
    hints
}

fn put(hints: &mut Vec<u8>, kind: u8, inside: &[u8]) {
    // A key is never as long; what is would be no hint any more.
    let Ok(len) = u16::try_from(inside.len()) else { return };
    hints.put_u8(kind);
    hints.put_u16(len);
    hints.put_slice(inside);
}

/// Reads them; `None` where they end too early, or a known one makes no sense.
pub(super) fn read(mut hints: Bytes) -> Option<MessagePolicy> {
    let mut policy = MessagePolicy::OfConsumer;
    while !hints.is_empty() {
        let kind = hints.try_get_u8().ok()?;
        let len = usize::from(hints.try_get_u16().ok()?);
        if hints.len() < len {
            return None;
        }
        let inside = hints.split_to(len);
        match kind {
            CLOSE => policy = MessagePolicy::Close,
            DROP_NEWEST => policy = MessagePolicy::DropNewest,
            LATEST => policy = MessagePolicy::Latest(Key::checked(ByteString::try_from(inside).ok()?)?),
            _ => {}
        }
    }
    Some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_skipped_and_what_is_broken_is_told() {
        let key = MessagePolicy::Latest(Key::new("cursor", &("ada",)).unwrap());
        for policy in [MessagePolicy::OfConsumer, MessagePolicy::Close, MessagePolicy::DropNewest, key] {
            let mut hints = write(&policy);
            put(&mut hints, b'?', b"of a later version");
            assert_eq!(read(hints.clone().into()), Some(policy));
            assert_eq!(read(hints[..hints.len() - 1].to_vec().into()), None);
        }
        assert_eq!(read(Bytes::from_static(b"l\0\x01\xff")), None, "a key is text");
    }
}
