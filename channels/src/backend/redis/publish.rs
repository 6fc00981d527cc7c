//! One message, one command, whatever the number of members.

use bytes::{BufMut, BytesMut};
use redis::Value;

use super::envelope::Header;
use super::fault::Fault;
use super::names::Names;
use super::net::Net;
use crate::backend::{Envelope, Published, Topic};
use crate::error::Error;

/// Sends a message to all servers that have members of a topic.
///
/// # Errors
///
/// `BACKEND_ERROR`, which says whether it was not sent or nobody knows.
pub(super) async fn publish(net: &Net, origin: u64, topic: Topic<'_>, envelope: &Envelope) -> Result<Published, Error> {
    let (partition, channel) = net.names.channel(topic);
    let header = Header::new(topic, envelope, origin);
    let command = if net.is_sharded() { "SPUBLISH" } else { "PUBLISH" };
    let write = |bytes: &mut BytesMut| write(bytes, command, &channel, &header, envelope.payload.as_bytes());
    let answer = net.send(partition, write).await;
    match answer {
        Ok(Value::Int(servers)) => Ok(Published { local: None, servers: usize::try_from(servers).ok() }),
        Ok(other) => Err(Fault::not_sent(format!("PUBLISH was answered with {other:?}")).into()),
        Err(fault) => Err(fault.into()),
    }
}

fn write(bytes: &mut BytesMut, command: &str, channel: &str, header: &Header, payload: &[u8]) {
    /// Lengths and line ends.
    const AROUND: usize = 64;
    let [fixed, hints] = header.parts();
    let len = fixed.len() + hints.len() + payload.len();
    bytes.reserve(AROUND + command.len() + channel.len() + len);
    bytes.put_slice(b"*3\r\n");
    start(bytes, command.len());
    bytes.put_slice(command.as_bytes());
    bytes.put_slice(b"\r\n");
    start(bytes, channel.len());
    bytes.put_slice(channel.as_bytes());
    bytes.put_slice(b"\r\n");
    start(bytes, len);
    bytes.put_slice(fixed);
    bytes.put_slice(hints);
    bytes.put_slice(payload);
    bytes.put_slice(b"\r\n");
}

/// `$` and a length in decimal.
fn start(bytes: &mut BytesMut, mut len: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(len % 10).unwrap_or_default();
        len /= 10;
        if len == 0 {
            break;
        }
    }
    bytes.put_u8(b'$');
    bytes.put_slice(&digits[at..]);
    bytes.put_slice(b"\r\n");
}

/// The channel that a server's own connections are reached by, and everybody's.
pub(super) fn always_live(names: &Names, incarnation: u64) -> [(super::names::Partition, String); 2] {
    [names.server_channel(incarnation), names.channel(Topic::Broadcast)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::redis::resp::{self, Said};
    use crate::message::MessagePolicy;

    #[test]
    fn a_command_is_read_as_it_was_written() {
        for len in [0, 1, 9, 10, 99, 12_345] {
            let payload = "x".repeat(len);
            let envelope = Envelope::new(payload.as_str()).policy(MessagePolicy::DropNewest);
            let header = Header::new(Topic::Group("rust"), &envelope, 1);
            let mut bytes = BytesMut::new();
            write(&mut bytes, "PUBLISH", "ws:{a7}g:rust", &header, payload.as_bytes());
            let Some(Said::Reply(Value::Array(parts))) = resp::take(&mut bytes).unwrap() else { panic!("no array") };
            let body = [header.parts().concat().as_slice(), payload.as_bytes()].concat();
            let expected = [b"PUBLISH".to_vec(), b"ws:{a7}g:rust".to_vec(), body].map(Value::BulkString);
            assert_eq!(parts, expected);
            assert!(bytes.is_empty());
        }
    }
}
