//! One server process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io, thread};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;

use super::options::RedisOptions;
use super::place::Place;
use super::process::Process;
use super::resp::{Connection, Failure, Value};
use super::wait::until;

/// The program that all of them are.
const PROGRAM: &str = "redis-server";

/// How often another port is tried, when somebody who knows nothing of us took the first.
const STARTS: u32 = 5;

/// Lines of the log that are shown when a server does not start, or its test fails.
const TAIL: usize = 40;

/// A `redis-server` of its own on the loopback interface. Dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct RedisServer {
    options: RedisOptions,
    // Before the place, so that it goes first. The lock keeps its id from being reaped while it is used.
    process: Mutex<Option<Process>>,
    place: Place,
}

impl RedisServer {
    /// Starts one that is empty, keeps nothing on disk and lets everybody in.
    ///
    /// # Panics
    ///
    /// As [`RedisOptions::start`].
    pub fn start() -> Self {
        RedisOptions::default().start()
    }

    /// What it may have besides.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    pub(super) fn with(options: RedisOptions) -> Self {
        let place = Place::new(&options);
        let mut server = Self { options, process: Mutex::default(), place };
        for _ in 1..STARTS {
            match server.try_start() {
                Ok(()) => return server,
                Err(log) if log.contains("Address already in use") => server.place = Place::new(&server.options),
                Err(log) => panic!("{log}"),
            }
        }
        server.run();
        server
    }

    /// `redis://…`, with user and password if there are any.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// [`url`](Self::url) with another address, such as that of a proxy.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("redis://{}{address}", self.credentials())
    }

    /// `rediss://…`, of a server with [`RedisOptions::tls`].
    pub fn tls_url(&self) -> String {
        format!("rediss://{}{}", self.credentials(), self.tls_address())
    }

    /// `unix:///…`, of a server with [`RedisOptions::unix_socket`]; user and password are its query.
    pub fn unix_url(&self) -> String {
        let query = self.options.user.as_ref();
        let query = query.map(|(name, password)| format!("?user={}&pass={}", encoded(name), encoded(password)));
        format!("unix://{}{}", self.unix_socket().display(), query.unwrap_or_default())
    }

    /// Where it listens, also while it is killed: nobody else is given the port.
    pub fn address(&self) -> SocketAddr {
        self.place.plain.address()
    }

    /// Where it speaks TLS.
    pub fn tls_address(&self) -> SocketAddr {
        self.place.tls.as_ref().expect("a server with tls()").address()
    }

    /// The Unix socket.
    pub fn unix_socket(&self) -> PathBuf {
        assert!(self.options.unix_socket, "a server with unix_socket()");
        self.place.socket()
    }

    /// The certificate that a client of [`tls_url`](Self::tls_url) has to trust, as PEM.
    pub fn ca_file(&self) -> &Path {
        &self.place.authority.as_ref().expect("a server with tls()").certificate
    }

    /// The process, which must be running.
    pub fn pid(&self) -> u32 {
        self.process().as_ref().expect("a running server").id()
    }

    /// Whether it runs, stopped or not.
    pub fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(|process| !process.has_ended())
    }

    /// Kills it, if it runs, and reaps it.
    pub fn kill_9(&self) {
        self.process().take();
    }

    /// Asks it to end (SIGTERM), and waits for that.
    pub fn terminate(&self) {
        self.process().take().expect("a running server").terminate();
    }

    /// SIGSTOP: its sockets stay open and nobody answers. Returns when it stands.
    pub fn stop_signal(&self) {
        self.process().as_mut().expect("a running server").stop();
    }

    /// SIGCONT: it goes on where it stood.
    pub fn continue_signal(&self) {
        self.process().as_mut().expect("a running server").signal(Signal::CONT);
    }

    /// Kills it if it runs, and starts it on the same ports: empty, unless it is [`RedisOptions::persistent`]. What
    /// CONFIG SET changed is as it was at first.
    pub fn restart(&self) {
        self.kill_9();
        self.run();
    }

    /// As [`restart`](Self::restart), and empty in any case.
    pub fn restart_empty(&self) {
        self.kill_9();
        let _ = fs::remove_dir_all(self.place.data());
        self.run();
    }

    /// What it answers to a command, such as `&["CONFIG", "SET", "maxmemory", "2mb"]`.
    ///
    /// # Panics
    ///
    /// If it refuses the command or is not there.
    pub fn command<S: AsRef<[u8]>>(&self, words: &[S]) -> Value {
        self.try_command(words).unwrap_or_else(|failure| panic!("{}: {failure}", show(words)))
    }

    /// What it answers to a command, on a connection of its own.
    ///
    /// # Errors
    ///
    /// If it refuses the command or is not there.
    pub fn try_command<S: AsRef<[u8]>>(&self, words: &[S]) -> Result<Value, Failure> {
        self.connect()?.ask(words)
    }

    /// A connection on which the user is logged in.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn connect(&self) -> Result<Connection, Failure> {
        let mut connection = Connection::open(self.address())?;
        if let Some((name, password)) = &self.options.user {
            connection.ask(&["AUTH", name, password])?;
        }
        Ok(connection)
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.place.log()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    pub(super) fn bus_port(&self) -> u16 {
        self.place.bus.as_ref().expect("a node of a cluster").number()
    }

    pub(super) fn user(&self) -> Option<&(String, String)> {
        self.options.user.as_ref()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn credentials(&self) -> String {
        let user = self.options.user.as_ref();
        user.map(|(name, password)| format!("{}:{}@", encoded(name), encoded(password))).unwrap_or_default()
    }

    fn run(&self) {
        self.try_start().unwrap_or_else(|log| panic!("{log}"));
    }

    /// Starts it and waits until it answers, or tells why it does not.
    fn try_start(&self) -> Result<(), String> {
        let file = self.place.prepare(&self.options);
        let log = self.place.open_log();
        let process = Process::start(PROGRAM, |command| {
            command.arg(&file).args(self.options.sentinel.then_some("--sentinel"));
            command.stdout(log.try_clone().unwrap()).stderr(log);
        });
        *self.process() = Some(process.map_err(|error| missing(&error))?);
        until("redis-server answers", || {
            if !self.is_running() {
                return Some(Err(format!("{PROGRAM} has ended:\n{}", self.tail())));
            }
            self.try_command(&["PING"]).is_ok().then_some(Ok(()))
        })
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill_9();
        if thread::panicking() {
            eprintln!("the end of the log of the server at {}:\n{}", self.address(), self.tail());
        }
    }
}

fn encoded(part: &str) -> impl std::fmt::Display {
    utf8_percent_encode(part, NON_ALPHANUMERIC)
}

fn show<S: AsRef<[u8]>>(words: &[S]) -> String {
    words.iter().map(|word| word.as_ref().escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

fn missing(error: &io::Error) -> String {
    format!(
        "{PROGRAM} cannot be started: {error}. This test needs a real server. Install it with\n\n    \
         sudo apt-get update && sudo apt-get install -y redis-server\n"
    )
}
