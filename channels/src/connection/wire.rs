//! The writing half of a socket that takes bytes without a task of its own.

use std::cell::RefCell;
use std::io::{self, ErrorKind};

use bytes::Buf;
use tokio::net::tcp;
#[cfg(unix)]
use tokio::net::unix;

use super::lane::Progress;
use super::queue::Queue;
use crate::websocket::Chunk;

/// What is smaller is copied together and written at once; what is larger goes as it is.
const GATHER_BELOW: usize = 16 * 1024;
/// How much is written together.
const GATHERED_BYTES: usize = 64 * 1024;

thread_local! {
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Dropped, the writing side of the socket is shut down.
#[derive(Debug)]
pub(crate) enum Wire {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

/// What became of what was taken to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Data messages written.
    pub(crate) messages: usize,
    /// Bytes of payload written.
    pub(crate) payload: usize,
    /// Messages that the socket did not take before it broke.
    pub(crate) dropped: usize,
    /// The socket is gone.
    pub(crate) broken: bool,
}

impl Tally {
    pub(crate) fn add(&mut self, chunk: &Chunk) {
        self.messages += chunk.messages as usize;
        self.payload += chunk.payload;
    }
}

impl Wire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(half) => half.try_write(bytes),
        }
    }

    /// Waits until the socket takes something. Cancel safe.
    ///
    /// # Errors
    ///
    /// Where the socket's runtime is gone.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.writable().await,
            #[cfg(unix)]
            Self::Unix(half) => half.writable().await,
        }
    }

    /// Writes what the socket takes at once, and takes it out of the queue.
    ///
    /// # Errors
    ///
    /// Where the socket is gone.
    pub(crate) fn write(&self, queue: &mut Queue, tally: &mut Tally) -> io::Result<Progress> {
        while let Some(front) = queue.front_mut() {
            let written = if front.bytes.len() >= GATHER_BELOW {
                self.try_write(&front.bytes)
            } else {
                self.write_together(queue)
            };
            match written {
                Ok(written) => advance(queue, written, tally),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Blocked),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }

    fn write_together(&self, queue: &Queue) -> io::Result<usize> {
        if let Queue::One(chunk) = queue {
            return self.try_write(&chunk.bytes);
        }
        let together = |gathered: &mut Vec<u8>| {
            gathered.clear();
            for chunk in queue.iter().take_while(|chunk| chunk.bytes.len() < GATHER_BELOW) {
                gathered.extend_from_slice(&chunk.bytes);
                if gathered.len() >= GATHERED_BYTES - GATHER_BELOW {
                    break;
                }
            }
            self.try_write(gathered)
        };
        let shared = GATHERED.try_with(|gathered| together(&mut gathered.borrow_mut()));
        // A thread that ends has none left.
        shared.unwrap_or_else(|_| together(&mut Vec::new()))
    }
}

fn advance(queue: &mut Queue, mut written: usize, tally: &mut Tally) {
    while let Some(front) = queue.front_mut() {
        if front.bytes.len() > written {
            front.bytes.advance(written);
            return;
        }
        written -= front.bytes.len();
        tally.add(front);
        queue.pop_front();
    }
}
