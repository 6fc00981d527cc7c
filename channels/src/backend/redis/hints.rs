//! What goes with a message that a server may do without: whoever does not know a hint skips it, so that servers of
//! two versions understand each other.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the kind |
//! | 2 | how many bytes follow |
//! | rest | `c`: a client that is too slow is closed; `d`: the message is dropped; `l`: the key of what it replaces; `a`: the incarnation of who wants to know what becomes of it, and a number |

use bytes::{Buf, BufMut, Bytes};
use bytestring::ByteString;

use crate::backend::{Asked, Envelope};
use crate::message::{Key, MessagePolicy};

const CLOSE: u8 = b'c';
const DROP_NEWEST: u8 = b'd';
const LATEST: u8 = b'l';
const ASKED: u8 = b'a';
const ASKED_BYTES: usize = 16;

/// What they say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    pub(super) policy: MessagePolicy,
    pub(super) asked: Option<Asked>,
}

/// Writes them; nothing, and nothing is allocated, where there are none.
pub(super) fn write(envelope: &Envelope) -> Vec<u8> {
    let mut hints = Vec::new();
    match &envelope.policy {
        MessagePolicy::OfConsumer => {}
        MessagePolicy::Close => put(&mut hints, CLOSE, &[]),
        MessagePolicy::DropNewest => put(&mut hints, DROP_NEWEST, &[]),
        MessagePolicy::Latest(key) => put(&mut hints, LATEST, key.as_str().as_bytes()),
    }
    if let Some(Asked { server, number }) = envelope.asked {
        let mut inside = [0; ASKED_BYTES];
        inside[..8].copy_from_slice(&server.to_be_bytes());
        inside[8..].copy_from_slice(&number.to_be_bytes());
        put(&mut hints, ASKED, &inside);
    }
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
pub(super) fn read(mut hints: Bytes) -> Option<Hints> {
    let mut read = Hints::default();
    while !hints.is_empty() {
        let kind = hints.try_get_u8().ok()?;
        let len = usize::from(hints.try_get_u16().ok()?);
        if hints.len() < len {
            return None;
        }
        let mut inside = hints.split_to(len);
        match kind {
            CLOSE => read.policy = MessagePolicy::Close,
            DROP_NEWEST => read.policy = MessagePolicy::DropNewest,
            ASKED => {
                let (server, number) = (inside.try_get_u64().ok()?, inside.try_get_u64().ok()?);
                read.asked = Some(Asked { server, number });
            }
            LATEST => read.policy = MessagePolicy::Latest(Key::checked(ByteString::try_from(inside).ok()?)?),
            _ => {}
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_skipped_and_what_is_broken_is_told() {
        let key = MessagePolicy::Latest(Key::new("cursor", &("ada",)).unwrap());
        for policy in [MessagePolicy::OfConsumer, MessagePolicy::Close, MessagePolicy::DropNewest, key] {
            let asked = Some(Asked { server: 0xa1, number: u64::MAX });
            let mut hints = write(&Envelope { asked, ..Envelope::new("").policy(policy.clone()) });
            put(&mut hints, b'?', b"of a later version");
            assert_eq!(read(hints.clone().into()), Some(Hints { policy, asked }));
            assert_eq!(read(hints[..hints.len() - 1].to_vec().into()), None);
        }
        assert_eq!(read(Bytes::from_static(b"l\0\x01\xff")), None, "a key is text");
        assert_eq!(read(Bytes::from_static(b"a\0\x0112345678")), None, "it ends too early");
    }
}
