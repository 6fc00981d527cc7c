//! A listener of one's own: its connections are pipes in memory, so that time can be paused over them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// As much as a pipe holds in each direction before its writer waits.
pub const PIPE_BYTES: usize = 16 * 1024;

/// How clients reach a [`Pipes`].
#[derive(Clone)]
pub struct Dialer {
    calls: mpsc::UnboundedSender<Pipe>,
    counts: Arc<Counts>,
}

/// What came and went over all pipes of a listener, as its server saw it.
#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    open: AtomicUsize,
    read: AtomicUsize,
    written: AtomicUsize,
    /// No write succeeds any more.
    is_broken: AtomicBool,
}

/// The listener.
pub struct Pipes {
    calls: mpsc::UnboundedReceiver<Pipe>,
    counts: Arc<Counts>,
}

/// The server's end of a pipe, which counts.
pub struct Pipe {
    stream: DuplexStream,
    counts: Arc<Counts>,
}

/// The address of a client: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller(pub usize);

pub fn listen() -> (Pipes, Dialer) {
    let (sender, calls) = mpsc::unbounded_channel();
    let counts = Arc::<Counts>::default();
    (Pipes { calls, counts: Arc::clone(&counts) }, Dialer { calls: sender, counts })
}

impl Dialer {
    /// The client's end of a new pipe; a server that is gone closes it.
    pub fn dial(&self) -> DuplexStream {
        let (client, stream) = tokio::io::duplex(PIPE_BYTES);
        self.counts.open.fetch_add(1, Ordering::SeqCst);
        let _ = self.calls.send(Pipe { stream, counts: Arc::clone(&self.counts) });
        client
    }

    /// How many pipes the server has accepted.
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// How many pipes the server has not closed, accepted or not.
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// From now on every write of the server fails, and every read goes on as before.
    pub fn break_writes(&self) {
        self.counts.is_broken.store(true, Ordering::SeqCst);
    }

    /// Bytes that the server has read and written.
    pub fn bytes(&self) -> (usize, usize) {
        (self.counts.read.load(Ordering::SeqCst), self.counts.written.load(Ordering::SeqCst))
    }
}

impl Listener for Pipes {
    type Io = Pipe;
    type Addr = Caller;

    async fn accept(&mut self) -> (Pipe, Caller) {
        match self.calls.recv().await {
            Some(pipe) => (pipe, Caller(self.counts.accepted.fetch_add(1, Ordering::SeqCst))),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Caller> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.counts.read.fetch_add(buf.filled().len() - before, Ordering::SeqCst);
        polled
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.counts.is_broken.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            self.counts.written.fetch_add(written, Ordering::SeqCst);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::SeqCst);
    }
}
