//! What one server says to the others: a small binary header, and the finished message of the client.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | `0xC5`, which begins no text |
//! | 1 | the version, 1 |
//! | 1 | the kind of topic: `g`, `u`, `c`, `b` |
//! | 1 | what the payload is: `j` a message in JSON, `c` a command in JSON |
//! | 1 | flags: bit 0, one connection is left out; bit 1, there are hints |
//! | 8 | the incarnation of the server that sent it |
//! | 16 | with bit 0: incarnation and sequence of the connection that is left out |
//! | 8 | of the kind `c`: the sequence of the connection that it is for |
//! | 2 and so many | with bit 1: how many bytes of hints, and the hints (`hints.rs`) |
//! | rest | the payload, never read between servers |

use bytes::{Buf, BufMut, Bytes};
use bytestring::ByteString;

use super::hints::{self, Hints};
use super::names::Address;
use crate::backend::{Content, Envelope, Topic};
use crate::id::ConnectionId;

const MAGIC: u8 = 0xc5;
const VERSION: u8 = 1;
const MESSAGE: u8 = b'j';
/// Servers that do not know it drop it, and say so, as they do with all that is of a later version.
const COMMAND: u8 = b'c';
const EXCEPT: u8 = 1;
const HINTS: u8 = 2;
const FIXED_BYTES: usize = 13;
/// The longest header without hints.
const MAX_HEADER_BYTES: usize = FIXED_BYTES + 16 + 8 + 2;

/// Why something on one of our channels is no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Foreign {
    #[error("it is no envelope")]
    NoEnvelope,
    #[error("it is of a later version")]
    LaterVersion,
    #[error("it ends too early")]
    Truncated,
    #[error("it is for another kind of channel")]
    WrongChannel,
    #[error("its payload is no text")]
    NoText,
}

/// The header of a message, as bytes on the stack; only hints, which most have none of, are not.
pub(super) struct Header {
    bytes: [u8; MAX_HEADER_BYTES],
    len: usize,
    hints: Vec<u8>,
}

impl Header {
    pub(super) fn new(topic: Topic<'_>, envelope: &Envelope, origin: u64) -> Self {
        let (except, hints) = (envelope.except, hints::write(envelope));
        let mut bytes = [0; MAX_HEADER_BYTES];
        let mut rest = &mut bytes[..];
        rest.put_u8(MAGIC);
        rest.put_u8(VERSION);
        rest.put_u8(kind(topic));
        rest.put_u8(match envelope.content {
            Content::Message => MESSAGE,
            Content::Command => COMMAND,
        });
        rest.put_u8(if except.is_some() { EXCEPT } else { 0 } | if hints.is_empty() { 0 } else { HINTS });
        rest.put_u64(origin);
        if let Some(except) = except {
            rest.put_u64(except.incarnation());
            rest.put_u64(except.sequence());
        }
        if let Topic::Connection(id) = topic {
            rest.put_u64(id.sequence());
        }
        if let (false, Ok(len)) = (hints.is_empty(), u16::try_from(hints.len())) {
            rest.put_u16(len);
        }
        let len = MAX_HEADER_BYTES - rest.len();
        Self { bytes, len, hints }
    }

    /// What stands before the payload, in two pieces.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        [&self.bytes[..self.len], &self.hints]
    }
}

fn kind(topic: Topic<'_>) -> u8 {
    match topic {
        Topic::Group(_) => b'g',
        Topic::User(_) => b'u',
        Topic::Connection(_) => b'c',
        Topic::Broadcast => b'b',
    }
}

/// Reads what came on a channel: the envelope, and for a server's channel the connection that it is for.
pub(super) fn read(address: &Address, mut bytes: Bytes) -> Result<(Envelope, Option<ConnectionId>), Foreign> {
    let end = |_| Foreign::Truncated;
    if bytes.try_get_u8().map_err(end)? != MAGIC {
        return Err(Foreign::NoEnvelope);
    }
    if bytes.try_get_u8().map_err(end)? != VERSION {
        return Err(Foreign::LaterVersion);
    }
    let kind = bytes.try_get_u8().map_err(end)?;
    let content = match bytes.try_get_u8().map_err(end)? {
        MESSAGE => Content::Message,
        COMMAND => Content::Command,
        _ => return Err(Foreign::LaterVersion),
    };
    let flags = bytes.try_get_u8().map_err(end)?;
    if flags & !(EXCEPT | HINTS) != 0 {
        return Err(Foreign::LaterVersion);
    }
    let _origin = bytes.try_get_u64().map_err(end)?;
    let id = |bytes: &mut Bytes| Some(ConnectionId::new(bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?));
    let except = if flags & EXCEPT == 0 { None } else { Some(id(&mut bytes).ok_or(Foreign::Truncated)?) };
    let target = match (kind, address) {
        (b'c', Address::Server(incarnation)) => {
            Some(ConnectionId::new(*incarnation, bytes.try_get_u64().map_err(end)?))
        }
        (b'g', Address::Group(_)) | (b'u', Address::User(_)) | (b'b', Address::Broadcast) => None,
        _ => return Err(Foreign::WrongChannel),
    };
    let Hints { policy, asked } = if flags & HINTS == 0 { Hints::default() } else { read_hints(&mut bytes)? };
    let payload = ByteString::try_from(bytes).map_err(|_| Foreign::NoText)?;
    Ok((Envelope { except, policy, asked, content, payload }, target))
}

fn read_hints(bytes: &mut Bytes) -> Result<Hints, Foreign> {
    let len = usize::from(bytes.try_get_u16().map_err(|_| Foreign::Truncated)?);
    if bytes.len() < len {
        return Err(Foreign::Truncated);
    }
    hints::read(bytes.split_to(len)).ok_or(Foreign::NoEnvelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::message::{Key, MessagePolicy};

    fn written(topic: Topic<'_>, envelope: &Envelope) -> Bytes {
        let header = Header::new(topic, envelope, 0xfeed);
        [header.parts().concat().as_slice(), envelope.payload.as_bytes()].concat().into()
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        let ada = UserId::new("ada").unwrap();
        let id = ConnectionId::new(0xa1, u64::MAX);
        for payload in ["", "{}", "\0\r\n\u{1f980}"] {
            let latest = MessagePolicy::Latest(Key::new("cursor", &("ada",)).unwrap());
            let hinted = Envelope::new(payload).except(id).policy(latest);
            let plain = Envelope::new(payload);
            for envelope in [plain.clone(), plain.except(id), Envelope::command(payload), hinted] {
                for (topic, address, target) in [
                    (Topic::Group("rust"), Address::Group("rust".into()), None),
                    (Topic::User(&ada), Address::User(ada.clone()), None),
                    (Topic::Connection(id), Address::Server(0xa1), Some(id)),
                    (Topic::Broadcast, Address::Broadcast, None),
                ] {
                    assert_eq!(read(&address, written(topic, &envelope)), Ok((envelope.clone(), target)));
                }
            }
        }
    }

    #[test]
    fn what_is_no_envelope_is_told() {
        let good = written(Topic::Broadcast, &Envelope::new("{}"));
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.to_vec();
            bytes[at] = byte;
            read(&Address::Broadcast, bytes.into())
        };
        assert_eq!(read(&Address::Broadcast, Bytes::from_static(b"{\"type\": 1}")), Err(Foreign::NoEnvelope));
        assert_eq!(changed(1, 2), Err(Foreign::LaterVersion));
        assert_eq!(changed(2, b'g'), Err(Foreign::WrongChannel));
        assert_eq!(changed(3, b'm'), Err(Foreign::LaterVersion));
        assert_eq!(changed(4, 4), Err(Foreign::LaterVersion));
        assert_eq!(changed(13, 0xff), Err(Foreign::NoText));
        let envelope = Envelope::new("").except(ConnectionId::new(1, 2)).policy(MessagePolicy::DropNewest);
        let excepting = written(Topic::Broadcast, &envelope);
        for end in 0..excepting.len() {
            assert_eq!(read(&Address::Broadcast, excepting.slice(..end)), Err(Foreign::Truncated), "{end}");
        }
    }
}
