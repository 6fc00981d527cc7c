//! From an address to a connection that has introduced itself, and knows who is at the other end.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use redis::{Cmd, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::fault::ErrorReply;
use super::resp::{self, Said};
use super::tls::Tls;
use crate::config::{Address, Config, Login, RedisServers};

/// How long a dial may take, from the look-up of the name to the answer of the server.
pub(super) const DIAL_WITHIN: Duration = Duration::from_secs(2);
/// What fits into a read buffer at first.
const BUFFER_BYTES: usize = 16 * 1024;

/// The half of a socket that is read from, whatever carries it.
pub(super) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
/// The half that is written to.
pub(super) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{address}: {problem}")]
pub(super) struct DialError {
    pub(super) address: String,
    pub(super) problem: String,
    /// Whether another try may help: a wrong password stays wrong.
    pub(super) hopeless: bool,
}

impl DialError {
    pub(super) fn new(address: &Address, problem: impl Into<String>) -> Self {
        Self { address: address.to_string(), problem: problem.into(), hopeless: false }
    }

    /// Nothing came in time.
    pub(super) fn late(address: &Address, within: Duration) -> Self {
        Self::new(address, format!("no answer within {} s", within.as_secs()))
    }

    /// Why there is not even a socket.
    fn of(address: &Address, error: &io::Error) -> Self {
        let hopeless = error.kind() == io::ErrorKind::Unsupported;
        Self { hopeless, ..Self::new(address, words(error)) }
    }

    fn hopeless(mut self) -> Self {
        self.hopeless = true;
        self
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    /// The number of this connection there.
    pub(super) id: i64,
    pub(super) major_version: u32,
    pub(super) is_master: bool,
}

/// A connection that has introduced itself.
pub(super) struct Dialed {
    pub(super) read: ReadHalf,
    pub(super) write: WriteHalf,
    /// What is written needs no flush.
    pub(super) is_plain: bool,
    /// What was read and not looked at yet.
    pub(super) buffer: BytesMut,
    pub(super) address: Address,
    pub(super) hello: Hello,
    /// Who we are there: what the server says is told without it.
    login: Login,
}

/// Makes connections to the servers that the configuration names.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) servers: RedisServers,
    tls: Option<Tls>,
    /// How our connections are called in `CLIENT LIST`.
    name: String,
}

impl Dialer {
    /// Reads what TLS needs.
    ///
    /// # Errors
    ///
    /// Says in words what cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        let servers = RedisServers::parse(config.redis_url()).ok_or("REDIS_URL makes no sense")?;
        let tls = if servers.tls { Some(Tls::new(config.redis_tls_ca_file())?) } else { None };
        // Redis takes no spaces and nothing beyond ASCII in a name.
        let plain = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        let name = format!("channels:{}", config.server_instance_id()).chars().map(plain).collect();
        Ok(Self { servers, tls, name })
    }

    /// Connects to one address and introduces itself.
    ///
    /// # Cancel safety
    ///
    /// Dropped, there is no connection.
    pub(super) async fn dial(&self, address: &Address) -> Result<Dialed, DialError> {
        timeout(DIAL_WITHIN, async {
            let mut dialed = self.introduce(address, &self.servers.login).await?;
            if self.servers.database != 0 {
                let select = redis::cmd("SELECT").arg(self.servers.database).to_owned();
                dialed.ask(&select).await?;
            }
            Ok(dialed)
        })
        .await
        .map_err(|_| DialError::late(address, DIAL_WITHIN))?
    }

    /// Connects to a Sentinel, which has a login of its own and no databases.
    pub(super) async fn dial_sentinel(&self, address: &Address, login: &Login) -> Result<Dialed, DialError> {
        self.introduce(address, login).await
    }

    async fn introduce(&self, address: &Address, login: &Login) -> Result<Dialed, DialError> {
        let (read, write) = self.connect(address).await.map_err(|error| DialError::of(address, &error))?;
        let hello = Hello { id: 0, major_version: 0, is_master: false };
        let buffer = BytesMut::with_capacity(BUFFER_BYTES);
        let (address, login) = (address.clone(), login.clone());
        let mut dialed = Dialed { read, write, is_plain: self.tls.is_none(), buffer, address, hello, login };
        let mut cmd = redis::cmd("HELLO");
        cmd.arg(3);
        if let Some(password) = &dialed.login.password {
            cmd.arg("AUTH").arg(dialed.login.username.as_deref().unwrap_or("default")).arg(password);
        }
        cmd.arg("SETNAME").arg(&self.name);
        let answer = dialed.ask(&cmd).await?;
        let hello = read_hello(&answer);
        dialed.hello = hello.ok_or_else(|| DialError::new(&dialed.address, "HELLO was answered with nonsense"))?;
        Ok(dialed)
    }

    async fn connect(&self, address: &Address) -> io::Result<(ReadHalf, WriteHalf)> {
        match address {
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                if let Some(tls) = &self.tls {
                    return tls.connect(host, stream).await;
                }
                // Halves of their own, which share no lock.
                let (read, write) = stream.into_split();
                Ok((Box::new(read), Box::new(write)))
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await?.into_split();
                Ok((Box::new(read), Box::new(write)))
            }
            #[cfg(not(unix))]
            Address::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "there are no Unix sockets on this system"))
            }
        }
    }
}

impl Dialed {
    /// One command and its answer, before the connection is used for anything else. A refusal is an error.
    pub(super) async fn ask(&mut self, cmd: &Cmd) -> Result<Value, DialError> {
        self.write(&cmd.get_packed_command()).await?;
        match self.answer().await? {
            Value::ServerError(error) => Err(self.refused(&error)),
            value => Ok(value),
        }
    }

    /// Commands that leave together, and the answer to each, where a refusal is one.
    pub(super) async fn ask_all(&mut self, cmds: &[Cmd]) -> Result<Vec<Value>, DialError> {
        let packed: Vec<_> = cmds.iter().map(Cmd::get_packed_command).collect();
        self.write(&packed.concat()).await?;
        let mut answers = Vec::with_capacity(cmds.len());
        while answers.len() < cmds.len() {
            answers.push(self.answer().await?);
        }
        Ok(answers)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DialError> {
        let written = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        written.await.map_err(|error| DialError::new(&self.address, words(&error)))
    }

    async fn answer(&mut self) -> Result<Value, DialError> {
        loop {
            let said = resp::take(&mut self.buffer);
            match said.map_err(|error| DialError::new(&self.address, error.to_string()).hopeless())? {
                Some(Said::Reply(value)) => return Ok(value),
                Some(_) => {}
                None => {
                    let read = self.read.read_buf(&mut self.buffer).await;
                    if read.map_err(|error| DialError::new(&self.address, words(&error)))? == 0 {
                        return Err(DialError::new(&self.address, "the connection was closed"));
                    }
                }
            }
        }
    }

    fn refused(&self, error: &redis::ServerError) -> DialError {
        let ErrorReply { code, details } = ErrorReply::from(error);
        if details.starts_with("unknown command") && details.contains("HELLO") {
            let problem = "it does not know HELLO; Redis 6 or later is needed, with HELLO under its own name";
            return DialError::new(&self.address, problem).hopeless();
        }
        let said = format!("it said: {} {}", self.login.blank(&code), self.login.blank(&details));
        let refused = DialError::new(&self.address, said.trim());
        match code.as_str() {
            "WRONGPASS" | "NOAUTH" | "NOPERM" | "ERR" => refused.hopeless(),
            _ => refused,
        }
    }
}

/// What the system says, without the number of the error.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn read_hello(answer: &Value) -> Option<Hello> {
    let fields: std::collections::HashMap<String, Value> = redis::from_redis_value_ref(answer).ok()?;
    let text = |name: &str| fields.get(name).and_then(|value| redis::from_redis_value_ref::<String>(value).ok());
    Some(Hello {
        id: redis::from_redis_value_ref(fields.get("id")?).ok()?,
        major_version: text("version")?.split('.').next()?.parse().ok()?,
        // A Sentinel has none.
        is_master: text("role").is_some_and(|role| role == "master"),
    })
}
