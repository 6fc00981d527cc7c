//! A client of RESP2 as small as it gets: it blocks, and does one thing after the other.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What a server answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    Nil,
    Integer(i64),
    /// A simple or a bulk string.
    Bytes(Vec<u8>),
    List(Vec<Value>),
    /// An error within a list: one that is the whole answer is a [`Failure::Refused`].
    Error(String),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The server's own words.
    Refused(String),
    /// The connection; nobody knows whether the command was done.
    Broken(io::Error),
}

impl Value {
    /// A string, or a number as one.
    ///
    /// # Panics
    ///
    /// If it is something else.
    pub fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer(number) => number.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// A number, or a string that is one.
    ///
    /// # Panics
    ///
    /// If it is something else.
    pub fn integer(&self) -> i64 {
        self.text().parse().unwrap_or_else(|_| panic!("no number: {self:?}"))
    }

    /// The items of a list.
    ///
    /// # Panics
    ///
    /// If it is something else.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            other => panic!("no list: {other:?}"),
        }
    }

    /// What follows a name in a list of names and values.
    ///
    /// # Panics
    ///
    /// If it is no list, or has no such name.
    pub fn field(&self, name: &str) -> &Self {
        let mut pairs = self.list().chunks_exact(2);
        let found = pairs.find(|pair| matches!(&pair[0], Self::Bytes(key) if key == name.as_bytes()));
        &found.unwrap_or_else(|| panic!("no field {name}: {self:?}"))[1]
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Integer(number) => number.fmt(f),
            Self::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Error(text) => write!(f, "error {text:?}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) => f.write_str(text),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens it; it is nobody's until an AUTH.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command and waits for its answer.
    pub fn ask<S: AsRef<[u8]>>(&mut self, words: &[S]) -> Result<Value, Failure> {
        self.send(words)?;
        self.answer()
    }

    /// Sends a command only.
    pub fn send<S: AsRef<[u8]>>(&mut self, words: &[S]) -> io::Result<()> {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words.iter().map(AsRef::as_ref) {
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend(word);
            command.extend(b"\r\n");
        }
        self.0.get_mut().write_all(&command)
    }

    /// The next answer, or what is published to a connection that has subscribed.
    pub fn answer(&mut self) -> Result<Value, Failure> {
        match self.value()? {
            Value::Error(text) => Err(Failure::Refused(text)),
            value => Ok(value),
        }
    }

    /// Whether nothing comes within this time, neither an answer nor the end of the connection.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(time)).unwrap();
        let kind = self.0.fill_buf().err().map(|error| error.kind());
        self.0.get_ref().set_read_timeout(Some(ANSWER)).unwrap();
        matches!(kind, Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }

    fn value(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let foreign = || io::Error::new(io::ErrorKind::InvalidData, format!("no RESP: {line:?}"));
        let (kind, rest) = line.split_at_checked(1).ok_or_else(foreign)?;
        let number = || rest.parse::<i64>().map_err(|_| foreign());
        Ok(match kind {
            "+" => Value::Bytes(rest.as_bytes().to_vec()),
            "-" => Value::Error(rest.to_owned()),
            ":" => Value::Integer(number()?),
            "$" => self.bulk(number()?)?,
            "*" => match number()? {
                -1 => Value::Nil,
                count => Value::List((0..count).map(|_| self.value()).collect::<io::Result<_>>()?),
            },
            _ => return Err(foreign()),
        })
    }

    fn bulk(&mut self, length: i64) -> io::Result<Value> {
        let Ok(length) = usize::try_from(length) else { return Ok(Value::Nil) };
        let mut bytes = vec![0; length + b"\r\n".len()];
        self.0.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Value::Bytes(bytes))
    }
}
