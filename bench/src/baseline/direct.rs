//! The least a server behind `axum::serve` can do: it takes the TCP stream back from hyper and writes to it.
//!
//! A message is a frame once, and the same bytes are offered to every socket by whoever publishes. Only a socket that
//! does not take them gets a queue, and a task that empties it. One task a connection, which only reads, into a buffer
//! that it shares with all others of its thread; what one read brought in is answered by one write.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::{Buf, Bytes};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::frames::{self, Frame};
use super::groups::{Group, Groups};
use super::messages::Envelope;
use crate::serve::{Seat, Seats};

/// Read at once, by all connections of a thread.
const SCRATCH_BYTES: usize = 64 * 1024;
/// May wait for one client; a slower one misses what comes then.
const QUEUE_BYTES: usize = 4 << 20;
/// The largest message of a client, roughly.
const MESSAGE_BYTES: usize = 16 << 20;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

#[derive(Clone)]
struct App {
    groups: Arc<Groups<Arc<Peer>>>,
    seats: Seats,
}

/// The server at `/ws`.
pub(crate) fn router(seats: Seats) -> Router {
    Router::new().route("/ws", any(upgrade)).with_state(App { groups: Arc::default(), seats })
}

async fn upgrade(State(app): State<App>, mut request: Request) -> Response {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let accept = frames::accept(key.as_bytes());
    let seat = app.seats.take(request.uri().query());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = downcast::<TokioIo<TcpStream>>(upgraded) else { return };
        // A copy: as it is, even an empty one keeps hyper's whole read buffer.
        let partial = parts.read_buf.to_vec();
        let connection = Connection::new(parts.io.into_inner(), partial, seat, app);
        // In a task of its own, an idle connection does not hold what the upgrade needed.
        tokio::spawn(connection.run());
    });
    let headers = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

/// The writing side of a connection, for everybody.
struct Peer {
    socket: OwnedWriteHalf,
    /// What the socket did not take yet. The lock keeps its bytes in order: whoever writes holds it.
    late: Mutex<Option<Box<Late>>>,
}

#[derive(Default)]
struct Late {
    queue: VecDeque<Bytes>,
    bytes: usize,
}

impl Peer {
    /// Never waits: what the socket does not take is queued.
    fn send(self: &Arc<Self>, frames: &Bytes) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(late) = late.as_mut() {
            late.push(frames.clone());
            return;
        }
        let written = match self.socket.try_write(frames) {
            Ok(written) if written == frames.len() => return,
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            // Its reader finds out too.
            Err(_) => return,
        };
        late.get_or_insert_default().push(frames.slice(written..));
        tokio::spawn(Arc::clone(self).catch_up());
    }

    /// Writes what is late until nothing is.
    async fn catch_up(self: Arc<Self>) {
        while self.socket.writable().await.is_ok() {
            let mut guard = self.late.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(late) = guard.as_mut() else { return };
            match late.write(&self.socket) {
                Ok(true) => {
                    *guard = None;
                    return;
                }
                Ok(false) => {}
                Err(_) => return,
            }
        }
    }
}

impl Late {
    fn push(&mut self, frames: Bytes) {
        if self.bytes + frames.len() <= QUEUE_BYTES {
            self.bytes += frames.len();
            self.queue.push_back(frames);
        }
    }

    /// Writes as much as the socket takes; whether that was all.
    fn write(&mut self, socket: &OwnedWriteHalf) -> std::io::Result<bool> {
        while let Some(first) = self.queue.front_mut() {
            match socket.try_write(first) {
                Ok(written) => {
                    self.bytes -= written;
                    first.advance(written);
                    if first.is_empty() {
                        self.queue.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The reading side of a connection. Dropped, it is in no group any more.
struct Connection {
    socket: OwnedReadHalf,
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
    member: Member,
}

struct Member {
    number: usize,
    peer: Arc<Peer>,
    home: Option<Arc<Group<Arc<Peer>>>>,
    /// What it joined itself, to be left at its end.
    joined: Vec<Arc<Group<Arc<Peer>>>>,
    groups: Arc<Groups<Arc<Peer>>>,
}

/// The frames that one read makes, until they are written.
#[derive(Default)]
struct Burst {
    own: Vec<u8>,
    home: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream, partial: Vec<u8>, seat: Seat, app: App) -> Self {
        let (socket, writing) = stream.into_split();
        let peer = Arc::new(Peer { socket: writing, late: Mutex::default() });
        let home = seat.home.map(|name| app.groups.get(&name));
        if let Some(home) = &home {
            home.join(seat.number, Arc::clone(&peer));
        }
        let member = Member { number: seat.number, peer, home, joined: Vec::new(), groups: app.groups };
        Self { socket, partial, member }
    }

    async fn run(mut self) {
        while poll_fn(|context| self.poll_burst(context)).await {}
    }

    /// Reads once and handles what that completes; false at the end.
    fn poll_burst(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            if ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer)).is_err() {
                return Poll::Ready(false);
            }
            let read = buffer.filled_mut();
            if read.is_empty() {
                return Poll::Ready(false);
            }
            if self.partial.is_empty() {
                let (open, rest) = self.member.handle_all(read);
                self.partial.extend_from_slice(rest);
                return Poll::Ready(open);
            }
            self.partial.extend_from_slice(read);
            let mut partial = std::mem::take(&mut self.partial);
            let (open, rest) = self.member.handle_all(&mut partial);
            let left = rest.len();
            partial.drain(..partial.len() - left);
            // An idle connection keeps no memory for what it once read.
            self.partial = if partial.is_empty() { Vec::new() } else { partial };
            Poll::Ready(open && self.partial.len() <= MESSAGE_BYTES)
        })
    }
}

impl Member {
    /// Handles the whole frames of `bytes` and gives what is left; false where the client closes.
    fn handle_all<'a>(&mut self, mut bytes: &'a mut [u8]) -> (bool, &'a [u8]) {
        let mut burst = Burst::default();
        let mut open = true;
        while open && let Some(Frame { opcode, payload }) = frames::take(&mut bytes) {
            match opcode {
                frames::TEXT => self.handle(payload, &mut burst),
                frames::PING => frames::write(&mut burst.own, frames::PONG, payload),
                frames::CLOSE => {
                    frames::write(&mut burst.own, frames::CLOSE, payload);
                    open = false;
                }
                _ => {}
            }
        }
        self.flush(&mut burst);
        (open, bytes)
    }

    fn handle(&mut self, text: &[u8], burst: &mut Burst) {
        let Ok(message) = serde_json::from_slice::<Envelope<'_>>(text) else { return };
        match &message {
            Envelope::ChatMessage(_) => encode(&mut burst.home, &message),
            Envelope::Echo(_) => encode(&mut burst.own, &message),
            Envelope::GroupMessage(text) => {
                self.flush(burst);
                let mut frame = Vec::new();
                encode(&mut frame, &message);
                publish(&self.groups.get(&text.group), frame);
            }
            Envelope::Join(join) => {
                // What was sent before it was sent without this member.
                self.flush(burst);
                let group = self.groups.get(&join.group);
                group.join(self.number, Arc::clone(&self.peer));
                self.joined.push(group);
            }
            Envelope::Leave(leave) => {
                self.flush(burst);
                let group = self.groups.get(&leave.group);
                group.leave(self.number);
                self.joined.retain(|joined| !Arc::ptr_eq(joined, &group));
            }
        }
    }

    fn flush(&self, burst: &mut Burst) {
        if !burst.own.is_empty() {
            self.peer.send(&std::mem::take(&mut burst.own).into());
        }
        match &self.home {
            Some(home) if !burst.home.is_empty() => publish(home, std::mem::take(&mut burst.home)),
            _ => {}
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        for group in self.home.iter().chain(&self.joined) {
            group.leave(self.number);
        }
    }
}

fn publish(group: &Group<Arc<Peer>>, frames: Vec<u8>) {
    let frames = Bytes::from(frames);
    for peer in group.members().values() {
        peer.send(&frames);
    }
}

fn encode(to: &mut Vec<u8>, message: &Envelope<'_>) {
    if let Ok(json) = serde_json::to_vec(message) {
        frames::write(to, frames::TEXT, &json);
    }
}
