//! A sink that writes down what it is handed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::backend::{Destination, Envelope, Sink, Topic};
use crate::id::UserId;

/// How long a check waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a check waits for what must not come.
pub(super) const SILENCE: Duration = Duration::from_millis(100);
/// What servers are called, two by two.
const NAMES: [&str; 2] = ["one \"\u{1f980}\"", "another"];
/// What the recorder says of how many took a message.
const TAKERS: usize = 3;

pub(super) fn group_named(name: impl Into<ByteString>) -> Destination {
    Destination::Group(name.into())
}

pub(super) fn user_named(name: &str) -> Destination {
    Destination::User(user(name))
}

pub(super) fn user(name: &str) -> UserId {
    match UserId::new(name) {
        Ok(user) => user,
        Err(error) => panic!("{name:?} is no user: {error}"),
    }
}

/// One message that arrived.
#[derive(Clone, Debug)]
struct Arrival {
    at: Destination,
    envelope: Envelope,
}

/// Keeps what arrives, in its order.
#[derive(Debug)]
pub(super) struct Recorder {
    incarnation: u64,
    name: &'static str,
    draining: AtomicBool,
    /// The order of this list is the order that members of this server would see.
    arrivals: Mutex<Vec<Arrival>>,
    changed: watch::Sender<()>,
}

impl Recorder {
    pub(super) fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            name: NAMES[usize::try_from(incarnation.saturating_sub(1) / 2).unwrap_or(0) % NAMES.len()],
            draining: AtomicBool::new(false),
            arrivals: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Its server is being drained from now on.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What arrived for a topic so far.
    pub(super) fn envelopes(&self, at: &Destination) -> Vec<Envelope> {
        self.lock().iter().filter(|arrival| arrival.at == *at).map(|arrival| arrival.envelope.clone()).collect()
    }

    /// The payloads that arrived for a topic so far.
    pub(super) fn payloads(&self, at: &Destination) -> Vec<ByteString> {
        self.envelopes(at).into_iter().map(|envelope| envelope.payload).collect()
    }

    fn count(&self, at: &Destination) -> usize {
        self.lock().iter().filter(|arrival| arrival.at == *at).count()
    }

    /// Waits until a topic has this many.
    pub(super) async fn reached(&self, check: &str, at: &Destination, expected: usize) {
        let mut changed = self.changed.subscribe();
        let all = changed.wait_for(|()| self.count(at) >= expected);
        let lost = timeout(PATIENCE, all).await.is_err();
        assert!(!lost, "{check}: lost: {} of {expected} messages arrived at {at:?}", self.count(at));
    }

    /// Waits until a topic has this many, and then for no more of them.
    pub(super) async fn exactly(&self, check: &str, at: &Destination, expected: usize) {
        self.reached(check, at, expected).await;
        let mut changed = self.changed.subscribe();
        let _ = timeout(SILENCE, changed.wait_for(|()| self.count(at) > expected)).await;
        assert_eq!(self.count(at), expected, "{check}: more arrived at {at:?} than were sent");
    }
}

impl Sink for Recorder {
    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn deliver(&self, topic: Topic<'_>, envelope: &Envelope) -> usize {
        self.lock().push(Arrival { at: topic.into(), envelope: envelope.clone() });
        self.changed.send_replace(());
        TAKERS
    }

    fn local_members(&self, _topic: Topic<'_>) -> usize {
        TAKERS
    }

    fn server_name(&self) -> String {
        self.name.to_owned()
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn evict(&self, user: Option<&UserId>, connections: usize) {
        panic!("{connections} connections of {user:?} were to go");
    }
}

/// A payload for a message of a panic: long ones would drown it.
pub(super) fn shown(payload: &str) -> String {
    let start: String = payload.chars().take(40).collect();
    format!("{start:?} ({} bytes)", payload.len())
}
