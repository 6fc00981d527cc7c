//! RESP3 as it arrives: where a reply ends, the one push that comes by the million, and all others.

use std::ops::Range;

use bytes::{Buf, BytesMut};
use redis::Value;

/// The longest line without a payload that is believed: lengths, integers, errors, simple strings.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// The longest bulk string, which is Redis' own bound.
const MAX_BULK_BYTES: usize = 512 << 20;
/// The most elements of one reply.
const MAX_ELEMENTS: usize = 1 << 24;

/// These bytes are no RESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what answers there does not speak the protocol of Redis")]
pub(super) struct NoResp;

/// One thing that a server says. Places are within the bytes that were looked at.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// Somebody published: where the channel is, and what.
    Message { channel: Range<usize>, payload: Range<usize> },
    /// A push that is no message: its kind, and what follows.
    Push(Vec<Value>),
    /// The answer to a command.
    Reply(Value),
}

/// The first whole thing from a place on, if there is one, and where the next begins.
pub(super) fn next(bytes: &[u8], at: usize) -> Result<Option<(Said, usize)>, NoResp> {
    if let Some((channel, payload)) = message(bytes, at) {
        let end = payload.end + 2;
        return Ok(Some((Said::Message { channel, payload }, end)));
    }
    let Some(len) = measure(&bytes[at..])? else { return Ok(None) };
    let (bytes, end) = (&bytes[at..at + len], at + len);
    let said = match bytes[0] {
        b'>' => push(bytes)?,
        b':' => {
            let number = std::str::from_utf8(&bytes[1..len - 2]).ok().and_then(|digits| digits.parse().ok());
            Said::Reply(Value::Int(number.ok_or(NoResp)?))
        }
        _ => Said::Reply(parse(bytes)?),
    };
    Ok(Some((said, end)))
}

/// Takes the first whole thing out of a buffer, if there is one.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Said>, NoResp> {
    let Some((said, end)) = next(buffer, 0)? else { return Ok(None) };
    buffer.advance(end);
    Ok(Some(said))
}

fn parse(bytes: &[u8]) -> Result<Value, NoResp> {
    redis::parse_redis_value(bytes).map_err(|_| NoResp)
}

/// A push is an array with a name; read as one, its kind stays what it was.
fn push(bytes: &[u8]) -> Result<Said, NoResp> {
    let mut array = bytes.to_vec();
    array[0] = b'*';
    match parse(&array)? {
        Value::Array(parts) => Ok(Said::Push(parts)),
        _ => Err(NoResp),
    }
}

/// The two parts of a whole `message` or `smessage`: what comes by the million is read in one pass.
fn message(bytes: &[u8], at: usize) -> Option<(Range<usize>, Range<usize>)> {
    const KINDS: [&[u8]; 2] = [b">3\r\n$7\r\nmessage\r\n", b">3\r\n$8\r\nsmessage\r\n"];
    let rest = bytes.get(at..)?;
    let start = at + KINDS.iter().find(|kind| rest.starts_with(kind))?.len();
    let channel = bulk(bytes, start)?;
    let payload = bulk(bytes, channel.end + 2)?;
    Some((channel, payload))
}

/// A whole bulk string, its end included.
fn bulk(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let digits = bytes.get(at..)?.strip_prefix(b"$")?;
    let mut len = 0_usize;
    let mut read = 0;
    loop {
        let byte = *digits.get(read)?;
        if byte == b'\r' {
            break;
        }
        // Anything else is looked at again, and told, by who measures.
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10 && read < 10)?;
        len = len * 10 + usize::from(digit);
        read += 1;
    }
    let start = at + 1 + read + 2;
    (read > 0 && bytes.get(start + len..start + len + 2)? == b"\r\n").then_some(start..start + len)
}

/// The line that begins there, and where the next one does.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    Some((rest[..end].strip_suffix(b"\r")?, at + end + 1))
}

/// How many bytes the first whole thing has, if it is all there. Payloads are stepped over, not looked at.
fn measure(buffer: &[u8]) -> Result<Option<usize>, NoResp> {
    let mut at = 0;
    let mut elements = 1_usize;
    while elements > 0 {
        let Some(&kind) = buffer.get(at) else { return Ok(None) };
        let Some((line, next)) = line(buffer, at + 1) else {
            return if buffer.len() - at > MAX_LINE_BYTES { Err(NoResp) } else { known(kind).map(|()| None) };
        };
        at = next;
        elements -= 1;
        match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {}
            b'$' | b'=' | b'!' => {
                if let Some(len) = length(line, MAX_BULK_BYTES)? {
                    at += len + 2;
                    if at > buffer.len() {
                        return Ok(None);
                    }
                    if &buffer[at - 2..at] != b"\r\n" {
                        return Err(NoResp);
                    }
                }
            }
            b'*' | b'~' | b'>' => elements += length(line, MAX_ELEMENTS)?.unwrap_or(0),
            b'%' => elements += 2 * length(line, MAX_ELEMENTS)?.unwrap_or(0),
            // Attributes stand before what they are about.
            b'|' => elements += 2 * length(line, MAX_ELEMENTS)?.unwrap_or(0) + 1,
            _ => return Err(NoResp),
        }
        if elements > MAX_ELEMENTS {
            return Err(NoResp);
        }
    }
    Ok(Some(at))
}

fn known(kind: u8) -> Result<(), NoResp> {
    if b"+-:_#,($=!*~>%|".contains(&kind) { Ok(()) } else { Err(NoResp) }
}

/// A length; `-1` is that of nothing.
fn length(line: &[u8], most: usize) -> Result<Option<usize>, NoResp> {
    if line == b"-1" {
        return Ok(None);
    }
    let len = std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok());
    len.filter(|len| *len <= most).map(Some).ok_or(NoResp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &[u8] = b"+OK\r\n-ERR no\r\n:-7\r\n_\r\n#t\r\n,1.5\r\n$0\r\n\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n\
        =7\r\ntxt:abc\r\n*2\r\n*1\r\n:1\r\n%1\r\n+a\r\n~1\r\n:2\r\n\
        >3\r\n$7\r\nmessage\r\n$3\r\nc\r\n\r\n$2\r\n\r\n\r\n>3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$0\r\n\r\n\
        >3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n|1\r\n+ttl\r\n:1\r\n:5\r\n";

    /// What is said, with the parts of messages instead of their places.
    #[derive(Debug, PartialEq)]
    enum Heard {
        Message(Vec<u8>, Vec<u8>),
        Other(Said),
    }

    fn all(bytes: &[u8]) -> (Vec<Heard>, usize) {
        let (mut heard, mut at) = (Vec::new(), 0);
        while let Some((said, end)) = next(bytes, at).unwrap() {
            heard.push(match said {
                Said::Message { channel, payload } => Heard::Message(bytes[channel].to_vec(), bytes[payload].to_vec()),
                other => Heard::Other(other),
            });
            at = end;
        }
        (heard, at)
    }

    #[test]
    fn every_type_is_read() {
        let (said, end) = all(EVERYTHING);
        assert_eq!((said.len(), end), (16, EVERYTHING.len()));
        assert_eq!(said[2], Heard::Other(Said::Reply(Value::Int(-7))));
        assert_eq!(said[7], Heard::Other(Said::Reply(Value::BulkString(b"a\r\n".to_vec()))));
        assert_eq!(said[12], Heard::Message(b"c\r\n".to_vec(), b"\r\n".to_vec()));
        assert_eq!(said[13], Heard::Message(b"c".to_vec(), Vec::new()));
        let subscribe = Value::BulkString(b"subscribe".to_vec());
        assert!(matches!(&said[14], Heard::Other(Said::Push(parts)) if parts[0] == subscribe));
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let (expected, _) = all(EVERYTHING);
        for size in 1..40 {
            let mut buffer = Vec::new();
            let mut said = Vec::new();
            for piece in EVERYTHING.chunks(size) {
                buffer.extend_from_slice(piece);
                let (more, end) = all(&buffer);
                said.extend(more);
                buffer.drain(..end);
            }
            assert_eq!(said, expected, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_resp_is_told_at_once() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"SSH-2.0",
            b"$x\r\n",
            b"$-2\r\n",
            b"$99999999999\r\n",
            b"*99999999999\r\n",
            b"$1\r\nab\r\n",
            b"*1\r\nx\r\n",
            b":\r\n",
            b">3\r\n$7\r\nmessage\r\n$x\r\n",
            b">3\r\n$7\r\nmessage\r\n$1\r\nab\r\n",
            b">3\r\n$7\r\nmessage\r\n$99999999999\r\n",
        ] {
            assert_eq!(take(&mut BytesMut::from(bytes)), Err(NoResp), "{}", String::from_utf8_lossy(bytes));
        }
        let endless = [b"+".as_slice(), &[b'a'; MAX_LINE_BYTES + 1]].concat();
        assert_eq!(take(&mut BytesMut::from(&endless[..])), Err(NoResp));
    }
}
