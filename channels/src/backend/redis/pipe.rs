//! Commands to one server and their answers, in their order, over one connection after the other.
//!
//! Who asks alone writes to the socket at once. While others wait for their answers, a command goes into a buffer, and a
//! task writes what has gathered. So one publisher costs no wake, and many cost few system calls. An answer belongs to
//! the oldest command without one.
//!
//! A connection that is silent for [`ANSWER_WITHIN`] while something waits for its answer is dead, whatever
//! its socket says. Then each waiting command is told what became of it: what was handed to the socket may
//! have been carried out, what was not was not.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use redis::{Cmd, Value};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::dial::{Dialed, ReadHalf, WriteHalf};
use super::fault::{ErrorReply, Fault};
use super::resp::{self, Said};

/// How long a server may be silent while something waits for its answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(2500);
/// How long a connection may be silent before it is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_millis(1500);
/// How often both are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a command waits for a connection that has just been lost: a blip is not worth an error.
const BLIP: Duration = Duration::from_millis(150);
/// How many bytes of commands may wait to be written.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// A buffer that has grown beyond this is given back.
const KEPT_BYTES: usize = 256 * 1024;
/// How much is read at once, at most.
const READ_BYTES: usize = 64 * 1024;

/// The answer to one command.
pub(super) type Answer = Result<Value, Fault>;

/// Commands to one server. It outlives its connections.
pub(super) struct Pipe {
    /// The order of its commands is that of the wire. The lock of the socket is only taken under it, or by the one who
    /// writes.
    queue: Mutex<Queue>,
    /// The socket of the connection, if there is one.
    socket: Mutex<Option<WriteHalf>>,
    /// Something is to be written.
    written: Notify,
    open: watch::Sender<bool>,
}

#[derive(Debug)]
struct Queue {
    /// Why there is no connection; nothing, while there is one.
    closed: Option<Arc<str>>,
    /// Commands that have not been handed to the socket.
    bytes: BytesMut,
    /// How many those are: the last ones of `waiting`.
    unwritten: usize,
    /// Somebody may write at once: the task does not, and there is nothing to flush.
    is_free: bool,
    /// Several waited when the last answers came: who asks next is not likely to stay alone.
    is_crowded: bool,
    /// Who waits for an answer, in the order of the commands. Nobody, for a ping.
    waiting: VecDeque<Option<oneshot::Sender<Answer>>>,
    /// Since when the oldest waits.
    since: Instant,
}

impl Queue {
    fn push(&mut self, waiter: Option<oneshot::Sender<Answer>>) {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.unwritten += 1;
        self.waiting.push_back(waiter);
    }
}

impl Default for Pipe {
    fn default() -> Self {
        let queue = Queue {
            closed: Some(Arc::from("there has been no connection yet")),
            bytes: BytesMut::new(),
            unwritten: 0,
            is_free: false,
            is_crowded: false,
            waiting: VecDeque::new(),
            since: Instant::now(),
        };
        Self {
            queue: Mutex::new(queue),
            socket: Mutex::default(),
            written: Notify::new(),
            open: watch::Sender::new(false),
        }
    }
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipe").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Why there is no connection, if there is none.
    pub(super) fn problem(&self) -> Option<Arc<str>> {
        self.lock().closed.clone()
    }

    /// Whether nobody waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Puts a command behind those before it: the order of these calls is the order at the server, also over the end of
    /// a connection, since the next one begins only when the one before is known to be dead.
    ///
    /// # Errors
    ///
    /// [`Fault::NotSent`] where there is no connection or too much waits.
    pub(super) fn send(&self, write: impl FnOnce(&mut BytesMut)) -> Result<oneshot::Receiver<Answer>, Fault> {
        self.send_behind(&[], write)
    }

    /// The same, to a server of a Cluster that is about to take the slot over.
    ///
    /// # Errors
    ///
    /// As [`Pipe::send`].
    pub(super) fn send_asking(&self, write: impl FnOnce(&mut BytesMut)) -> Result<oneshot::Receiver<Answer>, Fault> {
        self.send_behind(b"*1\r\n$6\r\nASKING\r\n", write)
    }

    fn send_behind(
        &self,
        before: &[u8],
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<oneshot::Receiver<Answer>, Fault> {
        let (answer, asked) = oneshot::channel();
        let mut queue = self.lock();
        if let Some(reason) = &queue.closed {
            return Err(Fault::NotSent(Arc::clone(reason)));
        }
        if queue.bytes.len() > MAX_WAITING_BYTES {
            return Err(Fault::not_sent("too much waits to be sent"));
        }
        let is_first = queue.bytes.is_empty();
        let is_alone = is_first && queue.is_free && !queue.is_crowded && queue.waiting.is_empty();
        if !before.is_empty() {
            queue.bytes.extend_from_slice(before);
            queue.push(None);
        }
        write(&mut queue.bytes);
        queue.push(Some(answer));
        let is_left = !(is_alone && self.write_now(&mut queue));
        drop(queue);
        if is_first && is_left {
            self.written.notify_one();
        }
        Ok(asked)
    }

    /// Writes what the socket takes without waiting; whether it took everything. An error is the task's to find.
    fn write_now(&self, queue: &mut Queue) -> bool {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(socket) = socket.as_mut() else { return false };
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(socket).poll_write(&mut context, &queue.bytes) {
            Poll::Ready(Ok(taken)) => {
                queue.bytes.advance(taken);
                // Nobody knows any more that it was not carried out.
                queue.unwritten = 0;
                queue.bytes.is_empty()
            }
            Poll::Ready(Err(_)) | Poll::Pending => false,
        }
    }

    pub(super) fn send_cmd(&self, cmd: &Cmd) -> Result<oneshot::Receiver<Answer>, Fault> {
        self.send(|bytes| bytes.extend_from_slice(&cmd.get_packed_command()))
    }

    /// Waits for a connection, as long as a blip lasts.
    pub(super) async fn opened(&self) -> bool {
        let mut open = self.open.subscribe();
        timeout(BLIP, open.wait_for(|open| *open)).await.is_ok_and(|open| open.is_ok())
    }

    /// One command and its answer; waits out a blip.
    pub(super) async fn call(&self, cmd: &Cmd) -> Answer {
        if !self.is_open() {
            self.opened().await;
        }
        answered(self.send_cmd(cmd)?).await
    }

    /// Serves what is asked over this connection until it ends, and says why it did.
    pub(super) async fn run(&self, dialed: Dialed) -> Arc<str> {
        let is_plain = dialed.is_plain;
        let opened = Opened::new(self, dialed.write, is_plain);
        let heard = Mutex::new(Instant::now());
        let reason = tokio::select! {
            reason = self.read(dialed.read, dialed.buffer, &heard) => reason,
            reason = self.write(is_plain) => reason,
            reason = self.watch(&heard) => reason,
        };
        opened.close(reason)
    }

    async fn write(&self, is_plain: bool) -> Arc<str> {
        let mut chunk = BytesMut::new();
        loop {
            {
                let mut queue = self.lock();
                std::mem::swap(&mut queue.bytes, &mut chunk);
                queue.unwritten = 0;
                queue.is_free = is_plain && chunk.is_empty();
            }
            if chunk.is_empty() {
                self.written.notified().await;
                // Whoever else is about to ask is written with it.
                tokio::task::yield_now().await;
                continue;
            }
            if let Err(error) = self.write_all(&mut chunk).await {
                return Arc::from(error.to_string());
            }
            if chunk.capacity() > KEPT_BYTES { chunk = BytesMut::new() } else { chunk.clear() }
        }
    }

    async fn write_all(&self, chunk: &mut BytesMut) -> io::Result<()> {
        poll_fn(|context| {
            let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(socket) = socket.as_mut() else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
            let mut socket = Pin::new(socket);
            while !chunk.is_empty() {
                match ready!(socket.as_mut().poll_write(context, chunk))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    taken => chunk.advance(taken),
                }
            }
            socket.poll_flush(context)
        })
        .await
    }

    async fn read(&self, mut socket: ReadHalf, mut buffer: BytesMut, heard: &Mutex<Instant>) -> Arc<str> {
        let mut answers = Vec::new();
        loop {
            let mut at = 0;
            loop {
                match resp::next(&buffer, at) {
                    Ok(Some((said, end))) => {
                        at = end;
                        // Nothing is subscribed to here: a push is none of ours.
                        if let Said::Reply(value) = said {
                            answers.push(value);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Arc::from(error.to_string()),
                }
            }
            buffer.advance(at);
            if let Err(reason) = self.answer(&mut answers) {
                return reason;
            }
            buffer.reserve(READ_BYTES);
            match socket.read_buf(&mut buffer).await {
                Ok(0) => return Arc::from("the server closed the connection"),
                Ok(_) => *heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now(),
                Err(error) => return Arc::from(error.to_string()),
            }
        }
    }

    fn answer(&self, answers: &mut Vec<Value>) -> Result<(), Arc<str>> {
        let mut demoted = false;
        let mut queue = self.lock();
        if !answers.is_empty() {
            queue.is_crowded = queue.waiting.len() > 1;
        }
        for value in answers.drain(..) {
            let Some(waiter) = queue.waiting.pop_front() else {
                return Err(Arc::from("the server answered what nobody asked"));
            };
            let answer = match value {
                Value::ServerError(error) => {
                    demoted |= error.code() == "READONLY";
                    Err(Fault::Refused(ErrorReply::from(&error)))
                }
                value => Ok(value),
            };
            // Who does not wait any more needs no answer.
            waiter.map(|waiter| waiter.send(answer));
        }
        // A master that became a replica takes no writes: the next dial finds the new one.
        if demoted { Err(Arc::from("the server is no master any more")) } else { Ok(()) }
    }

    async fn watch(&self, heard: &Mutex<Instant>) -> Arc<str> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let heard = *heard.lock().unwrap_or_else(PoisonError::into_inner);
            let mut queue = self.lock();
            if queue.waiting.is_empty() {
                if heard.elapsed() >= PING_AFTER {
                    queue.bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
                    queue.push(None);
                    self.written.notify_one();
                }
            } else if heard.max(queue.since).elapsed() >= ANSWER_WITHIN {
                return Arc::from(format!("no answer within {} ms", ANSWER_WITHIN.as_millis()));
            }
        }
    }
}

/// Waits for an answer.
pub(super) async fn answered(asked: oneshot::Receiver<Answer>) -> Answer {
    asked.await.unwrap_or_else(|_| Err(Fault::Unknown(Arc::from("the connection ended"))))
}

/// A pipe that has a connection; dropped, it has none, and everybody who waits is told.
struct Opened<'a> {
    pipe: &'a Pipe,
    reason: Arc<str>,
}

impl<'a> Opened<'a> {
    fn new(pipe: &'a Pipe, socket: WriteHalf, is_plain: bool) -> Self {
        let mut queue = pipe.lock();
        queue.closed = None;
        queue.is_free = is_plain;
        *pipe.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
        drop(queue);
        pipe.open.send_replace(true);
        Self { pipe, reason: Arc::from("the backend was stopped") }
    }

    fn close(mut self, reason: Arc<str>) -> Arc<str> {
        self.reason = Arc::clone(&reason);
        reason
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.pipe.open.send_replace(false);
        let mut queue = self.pipe.lock();
        queue.closed = Some(Arc::clone(&self.reason));
        queue.bytes.clear();
        queue.is_free = false;
        *self.pipe.socket.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let written = queue.waiting.len() - std::mem::take(&mut queue.unwritten);
        for (place, waiter) in queue.waiting.drain(..).enumerate() {
            let reason = Arc::clone(&self.reason);
            let fault = if place < written { Fault::Unknown(reason) } else { Fault::NotSent(reason) };
            waiter.map(|waiter| waiter.send(Err(fault)));
        }
    }
}
