//! A client that says what it wants, byte by byte, also what none should.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long a server may take to answer a handshake. The machine may be busy.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may take to end that is to end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Read at once. Thousands of these may be open.
const READ_BYTES: usize = 2048;
/// An answer to a handshake is shorter.
const HEAD_BYTES: usize = 8 * 1024;
/// What masks every frame.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A text frame, whole.
pub const TEXT: u8 = 0x81;
/// A binary frame, whole.
pub const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// What is special about a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// The subprotocol that is named, if any.
    pub protocol: Option<&'static str>,
    /// How many bytes its socket has room for that it has not read, if not as many as usual.
    pub room: Option<u32>,
}

/// What a handshake came to.
#[derive(Debug)]
pub enum Opened {
    /// A connection.
    Open(Peer),
    /// The server said no, with this status.
    Refused(u16),
}

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Text(String),
    /// A close frame, with its code.
    Closed(u16),
    /// The end of the stream without one.
    Nothing,
}

/// One connection. Dropped, it has vanished: there is no close frame.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// Where the server is not there, or does not speak HTTP.
    pub async fn open(server: SocketAddr, user: &str, ask: Ask) -> io::Result<Opened> {
        let socket = TcpSocket::new_v4()?;
        if let Some(room) = ask.room {
            socket.set_recv_buffer_size(room)?;
        }
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        let mut peer = Self { stream, read: Vec::new() };
        let protocol = ask.protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /ws/{user} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        );
        let status = timeout(ANSWERS_WITHIN, peer.upgrade(request.as_bytes())).await??;
        Ok(if status == 101 { Opened::Open(peer) } else { Opened::Refused(status) })
    }

    async fn upgrade(&mut self, request: &[u8]) -> io::Result<u16> {
        let no_http = || io::Error::other("no HTTP");
        self.stream.write_all(request).await?;
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.read.len() > HEAD_BYTES || !self.more().await? {
                return Err(no_http());
            }
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let status = std::str::from_utf8(&head).ok().and_then(|head| head.split(' ').nth(1)?.parse().ok());
        status.ok_or_else(no_http)
    }

    /// Reads something, and says whether there was anything.
    async fn more(&mut self) -> io::Result<bool> {
        self.read.reserve(READ_BYTES);
        Ok(self.stream.read_buf(&mut self.read).await? > 0)
    }

    /// Bytes as they are.
    ///
    /// # Errors
    ///
    /// Where the connection has ended.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// One frame: its first byte, and what it holds.
    ///
    /// # Errors
    ///
    /// Where the connection has ended.
    pub async fn send(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        self.write(&frame(first, payload)).await
    }

    /// A message of the protocol.
    ///
    /// # Errors
    ///
    /// Where the connection has ended.
    pub async fn say(&mut self, kind: &str, data: &Value) -> io::Result<()> {
        self.send(TEXT, json!({ "type": kind, "data": data }).to_string().as_bytes()).await
    }

    /// The next that the server says; its pings are answered. Cancel safe.
    pub async fn next(&mut self) -> Heard {
        loop {
            let Some((first, payload)) = take_frame(&mut self.read) else {
                match self.more().await {
                    Ok(true) => continue,
                    Ok(false) | Err(_) => return Heard::Nothing,
                }
            };
            match first {
                PING => {
                    // Whoever cannot be written to has gone, which the next read says.
                    let _ = self.send(PONG, &payload).await;
                }
                PONG => {}
                CLOSE => {
                    let code = payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code));
                    let _ = self.send(CLOSE, &payload).await;
                    return Heard::Closed(code);
                }
                _ => return Heard::Text(String::from_utf8_lossy(&payload).into_owned()),
            }
        }
    }

    /// Says goodbye, and waits for the answer; the code of the server's close frame, if there was one.
    pub async fn close(mut self) -> Option<u16> {
        let _ = self.send(CLOSE, &1000_u16.to_be_bytes()).await;
        self.end(|_| ()).await
    }

    /// Reads to the end; the code of the server's close frame, if there was one.
    pub async fn end(mut self, mut heard: impl FnMut(&str)) -> Option<u16> {
        let reading = async {
            loop {
                match self.next().await {
                    Heard::Text(text) => heard(&text),
                    Heard::Closed(code) => return Some(code),
                    Heard::Nothing => return None,
                }
            }
        };
        timeout(ENDS_WITHIN, reading).await.ok()?
    }

    /// Is gone with a reset: what it had not read, and what it had written, is thrown away.
    pub fn reset(self) {
        let _ = set_socket_linger(&self.stream, Some(Duration::ZERO));
    }
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len());
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}

/// What stands before a masked payload of that length.
#[expect(clippy::cast_possible_truncation, reason = "the arms say how long it is")]
pub fn head(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// The first frame of a server, if all of it is there.
fn take_frame(read: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, short) = (*read.first()?, *read.get(1)?);
    let (begins, length) = match short {
        126 => (4, usize::from(u16::from_be_bytes(*read.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*read.get(2..)?.first_chunk()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let payload = read.get(begins..begins + length)?.to_vec();
    read.drain(..begins + length);
    Some((first, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_in_pieces() {
        let mut read = vec![TEXT, 2, b'h'];
        assert_eq!(take_frame(&mut read), None);
        read.extend(b"i\x88\x02\x03\xe8");
        assert_eq!(take_frame(&mut read), Some((TEXT, b"hi".to_vec())));
        assert_eq!(take_frame(&mut read), Some((CLOSE, vec![3, 0xe8])));
        let long = [&[TEXT, 126, 1, 0][..], &[b'x'; 256]].concat();
        assert_eq!(take_frame(&mut long.clone()), Some((TEXT, vec![b'x'; 256])));
    }

    #[test]
    fn a_frame_is_masked() {
        assert_eq!(frame(TEXT, b"hi"), [TEXT, 0x82, 0x37, 0xfa, 0x21, 0x3d, b'h' ^ 0x37, b'i' ^ 0xfa]);
        assert_eq!(head(TEXT, 70_000)[1..10], [0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }
}
