//! From what a link read to the sink: by workers, so that a link's reader never waits for members.
//!
//! A channel has one worker, which keeps its order. A reader hands over all that it read at once, so that what
//! goes to one connection can be written together. While no worker has anything to do, the reader delivers the first
//! by itself, as much as the sink takes at once.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::envelope::{self, Foreign};
use super::names::{Address, Names};
use crate::backend::{Delivery, Destination, Reports, Sink, Topic};

/// How many bytes of messages may wait for the workers; beyond, they are lost, and that is reported.
const MAX_WAITING_BYTES: usize = 128 << 20;
/// What a message costs in memory besides its bytes, about.
const MESSAGE_BYTES: usize = 64;
/// The most workers.
const MAX_WORKERS: usize = 8;
/// Of so many messages it is asked how many members get them.
const LOOKED_AT: usize = 4;

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

    /// How many members here get one of the first few messages, at most.
    pub(super) fn members(&self, read: &[u8], arrived: &[Arrived]) -> usize {
        let Some(sink) = self.shared.sink.get().and_then(Weak::upgrade) else { return 0 };
        let count = |message: &Arrived| {
            let channel = &read[message.channel.clone()];
            let address = self.shared.names.address(channel, |from| Bytes::copy_from_slice(&channel[from..]));
            match address {
                Some(Address::Group(group)) => sink.local_members(Topic::Group(&group)),
                Some(Address::Broadcast) => sink.local_members(Topic::Broadcast),
                // A few at most.
                Some(Address::User(_) | Address::Server(_)) | None => 0,
            }
        };
        arrived.iter().take(LOOKED_AT).map(count).max().unwrap_or_default()
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
        let mut messages = rest.by_ref().filter_map(|message| self.read(read, message));
        // An encoder of the application may panic. Whoever reads or works here goes on: else all would be deaf.
        let delivered = catch_unwind(AssertUnwindSafe(|| sink.deliver_all(&mut messages)));
        if delivered.is_err() {
            tracing::error!("delivering a message panicked");
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Envelope;
    use crate::backend::redis::envelope::Header;
    use crate::id::UserId;

    /// Panics at every message but the last.
    struct Touchy(tokio::sync::mpsc::UnboundedSender<String>);

    impl Sink for Touchy {
        fn incarnation(&self) -> u64 {
            1
        }

        fn deliver(&self, _topic: Topic<'_>, envelope: &Envelope) -> usize {
            assert_eq!(&*envelope.payload, "last", "a test makes this panic");
            self.0.send(envelope.payload.to_string()).unwrap();
            1
        }

        fn local_members(&self, _topic: Topic<'_>) -> usize {
            0
        }

        fn evict(&self, _user: Option<&UserId>, _connections: usize) {}
    }

    fn read(names: &Names, payloads: &[&str]) -> (Bytes, Vec<Arrived>) {
        let (mut bytes, mut arrived) = (Vec::new(), Vec::new());
        for payload in payloads {
            let topic = Topic::Group("rust");
            let start = bytes.len();
            bytes.extend_from_slice(names.channel(topic).1.as_bytes());
            let middle = bytes.len();
            bytes.extend_from_slice(&Header::new(topic, &Envelope::new(""), 1).parts().concat());
            bytes.extend_from_slice(payload.as_bytes());
            arrived.push(Arrived { channel: start..middle, payload: middle..bytes.len() });
        }
        (bytes.into(), arrived)
    }

    #[tokio::test]
    async fn a_panic_of_the_sink_deafens_nobody() {
        let names = Names::new("ws:", 0);
        let (sender, mut heard) = mpsc::unbounded_channel();
        let sink: Arc<dyn Sink> = Arc::new(Touchy(sender));
        let cell = Arc::new(OnceLock::from(Arc::downgrade(&sink)));
        let deliveries = Deliveries::start(&names, &cell, &Reports::default());
        let (bytes, mut arrived) = read(&names, &["first", "second", "last"]);
        assert_eq!(deliveries.hand_over(&bytes, &mut arrived), 0);
        assert_eq!(heard.recv().await.as_deref(), Some("last"));
        while deliveries.waiting.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    }
}
