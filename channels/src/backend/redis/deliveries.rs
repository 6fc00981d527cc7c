//! From what a link read to the sink: by workers, so that a link's reader never waits for members.
//!
//! A channel has one worker, which keeps its order. A reader hands over all that it read at once, so that what
//! goes to one connection can be written together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::envelope::{self, Foreign};
use super::names::{Address, Names};
use crate::backend::{Delivery, Destination, Reports, Sink};

/// How many bytes of messages may wait for the workers; beyond, they are lost, and that is reported.
const MAX_WAITING_BYTES: usize = 128 << 20;
/// What a message costs in memory besides its bytes, about.
const MESSAGE_BYTES: usize = 64;
/// The most workers.
const MAX_WORKERS: usize = 8;

/// A message as it was read.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) channel: Bytes,
    pub(super) payload: Bytes,
}

impl Arrived {
    fn size(&self) -> usize {
        self.channel.len() + self.payload.len() + MESSAGE_BYTES
    }
}

/// The workers' end of it all.
pub(super) struct Deliveries {
    workers: Vec<mpsc::UnboundedSender<Vec<Arrived>>>,
    waiting: Arc<AtomicUsize>,
}

/// What the workers of one backend share.
struct Shared {
    names: Names,
    sink: Arc<OnceLock<Weak<dyn Sink>>>,
    waiting: Arc<AtomicUsize>,
    reports: Reports,
}

impl Deliveries {
    /// Starts the workers; they end when this is dropped.
    pub(super) fn start(names: &Names, sink: &Arc<OnceLock<Weak<dyn Sink>>>, reports: &Reports) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
        let waiting = Arc::<AtomicUsize>::default();
        let shared = Arc::new(Shared {
            names: names.clone(),
            sink: Arc::clone(sink),
            waiting: Arc::clone(&waiting),
            reports: reports.clone(),
        });
        let worker = |_| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(work(Arc::clone(&shared), receiver));
            sender
        };
        Self { workers: (0..count).map(worker).collect(), waiting }
    }

    /// Hands over what was read at once, in its order; how many messages there was no room for.
    pub(super) fn hand_over(&self, read: &mut Vec<Arrived>) -> usize {
        let mut by_worker: Vec<Vec<Arrived>> = self.workers.iter().map(|_| Vec::new()).collect();
        let mut lost = 0;
        for message in read.drain(..) {
            let size = message.size();
            if self.waiting.fetch_add(size, Ordering::Relaxed) + size > MAX_WAITING_BYTES {
                self.waiting.fetch_sub(size, Ordering::Relaxed);
                lost += 1;
                continue;
            }
            by_worker[self.worker_of(&message.channel)].push(message);
        }
        for (worker, messages) in self.workers.iter().zip(by_worker) {
            if !messages.is_empty() {
                // A worker ends only with the runtime, and then nobody hears anything any more.
                let _ = worker.send(messages);
            }
        }
        lost
    }

    /// FNV-1a: the same worker for the same channel is all that matters.
    fn worker_of(&self, channel: &[u8]) -> usize {
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        channel.iter().fold(0x811c_9dc5, step) as usize % self.workers.len()
    }
}

async fn work(shared: Arc<Shared>, mut receiver: mpsc::UnboundedReceiver<Vec<Arrived>>) {
    while let Some(messages) = receiver.recv().await {
        let mut messages = messages.into_iter().filter_map(|message| shared.read(message)).peekable();
        while messages.peek().is_some() {
            let Some(sink) = shared.sink.get().and_then(Weak::upgrade) else { return };
            // It takes as many as it likes at once; between, others get a turn.
            sink.deliver_all(&mut messages);
            drop(sink);
            tokio::task::yield_now().await;
        }
    }
}

impl Shared {
    fn read(&self, message: Arrived) -> Option<Delivery> {
        self.waiting.fetch_sub(message.size(), Ordering::Relaxed);
        let Arrived { channel, payload } = message;
        let read = self.names.address(&channel).ok_or(Foreign::WrongChannel).and_then(|address| {
            let (envelope, target) = envelope::read(&address, payload)?;
            let to = match (address, target) {
                (Address::Group(group), _) => Destination::Group(group),
                (Address::User(user), _) => Destination::User(user),
                (Address::Server(_), Some(id)) => Destination::Connection(id),
                (Address::Server(_), None) => return Err(Foreign::WrongChannel),
                (Address::Broadcast, _) => Destination::Broadcast,
            };
            Ok(Delivery { to, envelope })
        });
        read.inspect_err(|why| {
            self.reports.foreign();
            tracing::warn!(channel = %channel.escape_ascii(), %why, "dropped what somebody else published");
        })
        .ok()
    }
}
