//! From what a link read to the sink: by workers, so that a link's reader never waits for members.
//!
//! A channel has one worker, which keeps its order. A reader hands over all that it read at once, so that what
//! goes to one connection can be written together. While no worker has anything to do, the reader delivers the first
//! by itself, as much as the sink takes at once.

use std::ops::Range;
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

/// A message as it was read: where its parts are in what was read.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) channel: Range<usize>,
    pub(super) payload: Range<usize>,
}

impl Arrived {
    fn size(&self) -> usize {
        self.channel.len() + self.payload.len() + MESSAGE_BYTES
    }
}

/// Messages that were read at once.
#[derive(Debug)]
struct Batch {
    read: Bytes,
    messages: Vec<Arrived>,
    size: usize,
}

/// The workers' end of it all.
pub(super) struct Deliveries {
    workers: Vec<mpsc::UnboundedSender<Batch>>,
    waiting: Arc<AtomicUsize>,
    shared: Arc<Shared>,
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
        Self { workers: (0..count).map(worker).collect(), waiting, shared }
    }

    /// Hands over what was read at once, in its order; how many messages there was no room for.
    pub(super) fn hand_over(&self, read: &Bytes, arrived: &mut Vec<Arrived>) -> usize {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            // No worker has anything: nothing is overtaken, and nobody need be woken for a few messages.
            let left = self.shared.deliver_some(read, arrived);
            arrived.drain(..arrived.len() - left);
        }
        let size = arrived.iter().map(Arrived::size).sum();
        if self.waiting.fetch_add(size, Ordering::Relaxed) + size > MAX_WAITING_BYTES {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            let lost = arrived.len();
            arrived.clear();
            return lost;
        }
        let mut by_worker: [Vec<Arrived>; MAX_WORKERS] = Default::default();
        for message in arrived.drain(..) {
            by_worker[self.worker_of(&read[message.channel.clone()])].push(message);
        }
        for (worker, messages) in self.workers.iter().zip(by_worker) {
            if !messages.is_empty() {
                let size = messages.iter().map(Arrived::size).sum();
                let _ = worker.send(Batch { read: read.clone(), messages, size });
            }
        }
        0
    }

    /// FNV-1a: the same worker for the same channel is all that matters.
    fn worker_of(&self, channel: &[u8]) -> usize {
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        channel.iter().fold(0x811c_9dc5, step) as usize % self.workers.len()
    }
}

async fn work(shared: Arc<Shared>, mut receiver: mpsc::UnboundedReceiver<Batch>) {
    while let Some(Batch { read, messages, size }) = receiver.recv().await {
        let _waits = Waits { waiting: &shared.waiting, size };
        let mut left = messages.len();
        while left > 0 {
            left = shared.deliver_some(&read, &messages[messages.len() - left..]);
            // The sink takes as many as it likes at once; between, others get a turn.
            tokio::task::yield_now().await;
        }
    }
}

/// A batch counts as waiting until all of it was delivered.
struct Waits<'a> {
    waiting: &'a AtomicUsize,
    size: usize,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Shared {
    /// Gives the sink as many as it takes at once; how many are left.
    fn deliver_some(&self, read: &Bytes, arrived: &[Arrived]) -> usize {
        let Some(sink) = self.sink.get().and_then(Weak::upgrade) else { return 0 };
        let mut rest = arrived.iter();
        sink.deliver_all(&mut rest.by_ref().filter_map(|message| self.read(read, message)));
        rest.len()
    }

    fn read(&self, read: &Bytes, message: &Arrived) -> Option<Delivery> {
        let channel = &read[message.channel.clone()];
        let of = |place: usize| read.slice(message.channel.start + place..message.channel.end);
        let to = self.names.address(channel, of).ok_or(Foreign::WrongChannel).and_then(|address| {
            let payload = read.slice(message.payload.clone());
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
        to.inspect_err(|why| {
            self.reports.foreign();
            tracing::warn!(channel = %channel.escape_ascii(), %why, "dropped what somebody else published");
        })
        .ok()
    }
}
