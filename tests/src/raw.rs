//! A client that says whatever it wants, byte by byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::socket::soon;

pub struct Raw(pub TcpStream);

impl Raw {
    /// A WebSocket, opened by hand.
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        Self::open_with(address, path, "").await
    }

    /// The same, with more lines in the request, each with its end.
    pub async fn open_with(address: SocketAddr, path: &str, lines: &str) -> Self {
        let mut raw = Self(TcpStream::connect(address).await.unwrap());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
        );
        raw.write(request.as_bytes()).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("the response", raw.0.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        raw
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        soon("writing", self.0.write_all(bytes)).await.unwrap();
    }

    /// One frame: its first byte, and a payload that is masked with zeros.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..=125 => bytes.push(0x80 | len as u8),
            len @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(0x80 | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        self.write(&bytes).await;
    }

    /// The next frame of the server: its opcode and payload; `None` where the connection has ended.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let reading = async {
            let opcode = self.0.read_u8().await.ok()? & 0x0f;
            let len = match self.0.read_u8().await.ok()? & 0x7f {
                126 => u64::from(self.0.read_u16().await.ok()?),
                127 => self.0.read_u64().await.ok()?,
                len => u64::from(len),
            };
            let mut payload = vec![0; usize::try_from(len).ok()?];
            self.0.read_exact(&mut payload).await.ok()?;
            Some((opcode, payload))
        };
        soon("receiving", reading).await
    }

    /// The code of the close frame; messages before it are thrown away.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await? {
                (8, payload) => return payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
                _ => continue,
            }
        }
    }
}
