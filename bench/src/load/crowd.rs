//! All clients of a run: sockets without threads or tasks of their own.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, getrlimit};

use super::frames::{CLOSE, Frame, PING, PONG, Scanner, TEXT, masked};
use super::target::Target;
use crate::Failure;

/// Handshakes at the same time.
const OPENING: usize = 64;
/// How long opening or leaving may stand still before it is given up.
const STALL: Duration = Duration::from_secs(30);
/// Read at once. More than any socket holds in these runs, so that one read empties it.
const SCRATCH_BYTES: usize = 256 * 1024;
/// An answer to a handshake is shorter.
const HEAD_BYTES: usize = 4096;
/// Descriptors that are no clients.
const OTHER_DESCRIPTORS: u64 = 32;
/// A normal end.
const CLOSE_PAYLOAD: [u8; 2] = 1000_u16.to_be_bytes();

/// How to wait for the next event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    /// In the kernel, at most so long.
    Sleep(Duration),
    /// Awake, looking again after so long.
    Spin(Duration),
}

/// The clients, by their number.
pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    scratch: Box<[u8]>,
    open: usize,
    gone: usize,
    idle: Duration,
}

struct Client {
    link: Link,
    scanner: Scanner,
    stage: Stage,
}

enum Stage {
    Connecting,
    /// What has come of the answer.
    Handshake(Vec<u8>),
    Open,
    Gone,
}

/// The writing side of a client.
pub(super) struct Link {
    stream: Option<TcpStream>,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

impl Link {
    /// Sends, or keeps for later what the socket does not take.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let Some(stream) = self.stream.as_mut().filter(|_| self.unsent.is_empty()) else {
            self.unsent.extend_from_slice(bytes);
            return;
        };
        // An error is found by the next read.
        let written = stream.write(bytes).unwrap_or(0);
        self.unsent.extend_from_slice(&bytes[written..]);
    }

    fn flush(&mut self) {
        if let Some(stream) = self.stream.as_mut().filter(|_| !self.unsent.is_empty()) {
            let written = stream.write(&self.unsent).unwrap_or(0);
            self.unsent.drain(..written);
        }
    }
}

impl Crowd {
    /// Nobody yet; `at_once` events are handled in one turn at most.
    ///
    /// # Errors
    ///
    /// If the kernel has no poll for it.
    pub(super) fn new(at_once: usize) -> Result<Self, Failure> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(at_once),
            clients: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into(),
            open: 0,
            gone: 0,
            idle: Duration::ZERO,
        })
    }

    /// How many are connected now.
    pub(super) fn len(&self) -> usize {
        self.open
    }

    /// How many the server has let go.
    pub(super) fn gone(&self) -> usize {
        self.gone
    }

    /// How long it has waited with nothing to do.
    pub(super) fn idle(&self) -> Duration {
        self.idle
    }

    /// Opens more clients and waits until all are connected; gives the time it took.
    ///
    /// # Errors
    ///
    /// If that is more than may be opened, or the server refuses one or stands still.
    pub(super) fn open(&mut self, target: &Target, count: usize) -> Result<Duration, Failure> {
        let needed = (self.clients.len() + count) as u64 + OTHER_DESCRIPTORS;
        if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
            return Err(format!("{needed} descriptors are needed and {limit} allowed: `ulimit -n {needed}`").into());
        }
        let (began, all, wanted) = (Instant::now(), self.clients.len() + count, self.open + count);
        let mut progress = (self.open, began);
        while self.open < wanted {
            while self.clients.len() < all && self.clients.len() - self.open < OPENING {
                self.dial(target)?;
            }
            self.turn(Wait::Sleep(STALL), |_, _, _| {})?;
            if self.gone > 0 {
                return Err(format!("the server ended {} of {} connections", self.gone, self.clients.len()).into());
            }
            if self.open > progress.0 {
                progress = (self.open, Instant::now());
            } else if progress.1.elapsed() > STALL {
                return Err(format!("stuck at {} of {wanted} connections for {STALL:?}", self.open).into());
            }
        }
        Ok(began.elapsed())
    }

    fn dial(&mut self, target: &Target) -> Result<(), Failure> {
        let mut stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        let token = Token(self.clients.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let link = Link { stream: Some(stream), unsent: target.request() };
        self.clients.push(Client { link, scanner: Scanner::default(), stage: Stage::Connecting });
        Ok(())
    }

    /// Sends from one client.
    pub(super) fn send(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client].link.send(bytes);
    }

    /// Waits for events, reads from whom they are about, and tells every text frame that is complete.
    ///
    /// # Errors
    ///
    /// If polling fails, or a server answers a handshake with something else than an upgrade.
    pub(super) fn turn(
        &mut self,
        wait: Wait,
        mut found: impl FnMut(usize, &mut Link, Frame<'_>),
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let timeout = match wait {
            Wait::Sleep(longest) => longest,
            Wait::Spin(_) => Duration::ZERO,
        };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        match wait {
            Wait::Sleep(_) => self.idle += began.elapsed(),
            Wait::Spin(pause) if self.events.is_empty() => {
                while began.elapsed() < pause {
                    std::hint::spin_loop();
                }
                self.idle += began.elapsed();
            }
            Wait::Spin(_) => {}
        }
        for event in &self.events {
            let number = event.token().0;
            let client = &mut self.clients[number];
            if event.is_writable() {
                client.writable()?;
            }
            if !(event.is_readable() || event.is_read_closed()) || matches!(client.stage, Stage::Connecting) {
                continue;
            }
            let before = client.is_open();
            let alive =
                client.read(&mut self.scratch, event.is_read_closed(), |link, frame| found(number, link, frame))?;
            self.open += usize::from(!before && client.is_open());
            if !alive {
                self.open -= usize::from(client.is_open());
                self.gone += 1;
                client.stage = Stage::Gone;
                client.link.stream = None;
            }
        }
        Ok(())
    }

    /// Turns for so long, with nothing expected.
    ///
    /// # Errors
    ///
    /// As [`Crowd::turn`].
    pub(super) fn rest(&mut self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.turn(Wait::Sleep(left), |_, _, _| {})?;
        }
        Ok(())
    }

    /// All leave, every other one with a close frame, the rest without a word; afterwards the crowd is empty.
    ///
    /// # Errors
    ///
    /// If the server does not answer a close frame.
    pub(super) fn leave(&mut self) -> Result<(), Failure> {
        let mut closing = 0;
        let before = self.gone;
        let (frame, _) = masked(CLOSE, &CLOSE_PAYLOAD);
        for (number, client) in self.clients.iter_mut().enumerate().filter(|(_, client)| client.is_open()) {
            if number % 2 == 0 {
                client.link.send(&frame);
                closing += 1;
            } else {
                client.link.reset();
                client.stage = Stage::Gone;
            }
        }
        let deadline = Instant::now() + STALL;
        while self.gone - before < closing {
            if Instant::now() > deadline {
                return Err(format!("{} close frames got no answer", closing - (self.gone - before)).into());
            }
            self.turn(Wait::Sleep(Duration::from_secs(1)), |_, _, _| {})?;
        }
        self.clients.clear();
        (self.open, self.gone) = (0, before);
        Ok(())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.clients.iter_mut().for_each(|client| client.link.reset());
    }
}

impl Link {
    /// Ends it so that the port is free at once.
    fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Fails on a socket that is closed already.
            let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
        }
    }
}

impl Client {
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    fn writable(&mut self) -> Result<(), Failure> {
        if matches!(self.stage, Stage::Connecting) {
            let Some(stream) = &self.link.stream else { return Ok(()) };
            if let Some(error) = stream.take_error()? {
                return Err(format!("cannot connect: {error}").into());
            }
            self.stage = Stage::Handshake(Vec::new());
        }
        self.link.flush();
        Ok(())
    }

    /// Reads what is there; false at the end of the stream.
    fn read(
        &mut self,
        scratch: &mut [u8],
        to_the_end: bool,
        mut found: impl FnMut(&mut Link, Frame<'_>),
    ) -> Result<bool, Failure> {
        loop {
            let Some(stream) = self.link.stream.as_mut() else { return Ok(true) };
            let read = match stream.read(scratch) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(false),
            };
            if !self.received(&scratch[..read], &mut found)? {
                return Ok(false);
            }
            // A read that does not fill the buffer has emptied the socket, and what comes then is a new event.
            if read < scratch.len() && !to_the_end {
                return Ok(true);
            }
        }
    }

    fn received(&mut self, bytes: &[u8], found: &mut impl FnMut(&mut Link, Frame<'_>)) -> Result<bool, Failure> {
        let Stage::Handshake(head) = &mut self.stage else { return Ok(self.scan(bytes, found)) };
        head.extend_from_slice(bytes);
        let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
            if head.len() > HEAD_BYTES {
                return Err("the answer to a handshake does not end".into());
            }
            return Ok(true);
        };
        let head = std::mem::take(head);
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(format!("the server answered {:?}", String::from_utf8_lossy(&head[..end])).into());
        }
        self.stage = Stage::Open;
        Ok(self.scan(&head[end + 4..], found))
    }

    /// Finds the frames; false where the server breaks the protocol.
    fn scan(&mut self, bytes: &[u8], found: &mut impl FnMut(&mut Link, Frame<'_>)) -> bool {
        let Self { link, scanner, .. } = self;
        let outcome = scanner.scan(bytes, |frame| match frame.opcode {
            TEXT => found(link, frame),
            PING => link.send(&masked(PONG, frame.payload.unwrap_or_default()).0),
            // Pongs are not asked for; a close frame is followed by the end of the stream.
            _ => {}
        });
        outcome.is_ok()
    }
}
