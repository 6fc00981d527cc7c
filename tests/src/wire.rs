//! A client that sends whatever bytes it likes and takes nothing from the server that the protocol does not allow.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::frame::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};

/// Makes a message out of its compressed payload.
pub type Inflate = Box<dyn FnMut(Vec<u8>) -> Result<Vec<u8>, String> + Send>;

/// What a server may say.
#[derive(Clone, PartialEq, Eq)]
pub enum Heard {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame without its reason.
    Close(Option<u16>),
    /// The server has closed the socket.
    End,
    Reset,
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, payload) = match self {
            Self::Text(payload) => ("text", payload),
            Self::Binary(payload) => ("binary", payload),
            Self::Ping(payload) => ("ping", payload),
            Self::Pong(payload) => ("pong", payload),
            Self::Close(Some(code)) => return write!(f, "close {code}"),
            Self::Close(None) => return write!(f, "close without a code"),
            Self::End => return write!(f, "end"),
            Self::Reset => return write!(f, "reset"),
        };
        // A megabyte in a message helps nobody.
        let start = &payload[..payload.len().min(24)];
        write!(f, "{name} of {} bytes, \"{}\"", payload.len(), start.escape_ascii())
    }
}

/// The head of a response.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The values of a header, one for each of its lines.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

pub struct Wire {
    stream: BufReader<TcpStream>,
    /// The message whose last fragment has not come yet: its opcode, whether it is compressed, its payload.
    begun: Option<(u8, bool, Vec<u8>)>,
    reset: bool,
    pub inflate: Option<Inflate>,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), begun: None, reset: false, inflate: None })
    }

    /// What cannot be written is told by what is heard.
    pub async fn write(&mut self, bytes: &[u8], chop: usize) {
        for part in bytes.chunks(chop) {
            if self.stream.get_mut().write_all(part).await.is_err() {
                // Told once only: reading would take it for an end in good order.
                self.reset = true;
                return;
            }
            if part.len() < bytes.len() {
                // So that the server, on the same thread, reads each part by itself.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.stream.get_mut().shutdown().await;
    }

    /// Ends it as a crash would.
    pub fn reset(self) {
        let _ = self.stream.get_ref().set_zero_linger();
    }

    /// The head of the next response; of a refusal the body is read too.
    pub async fn head(&mut self) -> Result<Head, String> {
        let status_line = self.line().await?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("no status line: {status_line:?}"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| format!("no header: {line:?}"))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let head = Head { status, headers };
        let length = head.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.map_err(|error| format!("the body: {error}"))?;
        Ok(head)
    }

    async fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.map_err(|error| format!("the response: {error}"))?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| format!("the response ends with {line:?}"))
    }

    /// The next message, control frame or end; an error is a breach of the protocol by the server.
    pub async fn hear(&mut self) -> Result<Heard, String> {
        loop {
            match self.stream.fill_buf().await {
                Ok([]) if self.reset => return Ok(Heard::Reset),
                Ok([]) => return Ok(Heard::End),
                Ok(_) => {}
                Err(_) => return Ok(Heard::Reset),
            }
            let (first, payload) = self.frame().await?;
            match self.take(first, payload)? {
                Some(heard) => return Ok(heard),
                None => continue,
            }
        }
    }

    async fn frame(&mut self) -> Result<(u8, Vec<u8>), String> {
        let half = |error| format!("the server ends within a frame: {error}");
        let first = self.stream.read_u8().await.map_err(half)?;
        let second = self.stream.read_u8().await.map_err(half)?;
        let (length, least) = match second & 0x7f {
            126 => (u64::from(self.stream.read_u16().await.map_err(half)?), 126),
            127 => (self.stream.read_u64().await.map_err(half)?, 1 << 16),
            length => (u64::from(length), 0),
        };
        if second & 0x80 != 0 {
            return Err("the server masks".to_owned());
        }
        if length < least || length > 1 << 30 {
            return Err(format!("the server writes {length} bytes with the length code {}", second & 0x7f));
        }
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.map_err(half)?;
        Ok((first, payload))
    }

    fn take(&mut self, first: u8, payload: Vec<u8>) -> Result<Option<Heard>, String> {
        let (fin, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 7, first & 0x0f);
        let compressed = rsv == 4 && self.inflate.is_some() && matches!(opcode, TEXT | BINARY);
        if rsv != 0 && !compressed {
            return Err(format!("the server sets the reserved bits {rsv:03b} on opcode {opcode}"));
        }
        if opcode >= CLOSE && !(fin && payload.len() <= 125) {
            return Err(format!("a control frame of {} bytes, final: {fin}", payload.len()));
        }
        let (opcode, compressed, payload) = match (opcode, self.begun.take()) {
            (PING, begun) => {
                self.begun = begun;
                return Ok(Some(Heard::Ping(payload)));
            }
            (PONG, begun) => {
                self.begun = begun;
                return Ok(Some(Heard::Pong(payload)));
            }
            (CLOSE, _) => return close(&payload).map(Some),
            (TEXT | BINARY, None) => (opcode, compressed, payload),
            (CONTINUATION, Some((opcode, compressed, mut begun))) => {
                begun.extend(payload);
                (opcode, compressed, begun)
            }
            (opcode, begun) => return Err(format!("opcode {opcode}, within a message: {}", begun.is_some())),
        };
        if !fin {
            self.begun = Some((opcode, compressed, payload));
            return Ok(None);
        }
        let payload = match &mut self.inflate {
            Some(inflate) if compressed => inflate(payload)?,
            _ => payload,
        };
        if opcode == BINARY {
            return Ok(Some(Heard::Binary(payload)));
        }
        std::str::from_utf8(&payload).map_err(|error| format!("a text of the server: {error}"))?;
        Ok(Some(Heard::Text(payload)))
    }
}

fn close(payload: &[u8]) -> Result<Heard, String> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        let none = payload.is_empty().then_some(Heard::Close(None));
        return none.ok_or_else(|| "a close frame of one byte".to_owned());
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(format!("the server closes with {code}, which may not go over the wire"));
    }
    std::str::from_utf8(reason).map_err(|error| format!("the reason of the server: {error}"))?;
    Ok(Heard::Close(Some(code)))
}
