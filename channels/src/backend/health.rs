//! Whether a backend hears and is heard, and every interruption with its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast;

/// How many events wait for one watcher before it misses some, and is told.
const EVENTS: usize = 256;

/// How a backend is at one moment.
///
/// ```
/// # use channels::ChannelLayer;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let health = ChannelLayer::memory().health();
/// assert!(health.connected);
/// assert!(health.last_interruption.is_none());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether what is sent now arrives, and what others send is heard.
    pub connected: bool,
    /// Since when that is so, or is not so.
    pub since: SystemTime,
    /// Why not, where it is not.
    pub reason: Option<String>,
    /// Topics that are live: the backend hands on what is sent to them.
    pub subscriptions: usize,
    /// Topics that somebody waits for.
    pub pending: usize,
    /// Messages that came on our channels and were none of ours; they were dropped.
    pub foreign: u64,
    /// How often something may have been lost since the start.
    pub interruptions: u64,
    /// The last time that something may have been lost.
    pub last_interruption: Option<Interruption>,
}

/// A time in which messages of others may have been lost on this server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interruption {
    /// Names it: the same in the event of its beginning and in that of its end.
    pub id: u64,
    /// Which part of the backend was lost.
    pub server: String,
    /// What was noticed.
    pub cause: String,
    /// What was sent before has been heard.
    pub since: SystemTime,
    /// From when on everything is heard again; nothing, while it lasts.
    pub until: Option<SystemTime>,
}

impl Interruption {
    /// How long it lasted, or has lasted so far.
    pub fn lasted(&self) -> Duration {
        let until = self.until.unwrap_or_else(SystemTime::now);
        until.duration_since(self.since).unwrap_or_default()
    }
}

/// What happens to a backend; each beginning once, and its end once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// From [`Interruption::since`] on messages may have been lost.
    Interrupted(Interruption),
    /// All topics are live again.
    Restored(Interruption),
    /// The watcher was too slow to be told so many events.
    Missed(u64),
}

/// The events of a backend, from the moment this was made.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// Waits for the next; nothing more comes after `None`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, no event is lost.
    ///
    /// ```
    /// # use channels::ChannelLayer;
    /// # async fn example(layer: ChannelLayer) {
    /// use channels::backend::Event;
    ///
    /// let mut events = layer.events();
    /// while let Some(event) = events.next().await {
    ///     if let Event::Restored(interruption) = event {
    ///         println!("what was sent in the last {:?} may be missing", interruption.lasted());
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where a backend reports how it is. A backend that is always there needs only [`Reports::default`].
#[derive(Clone, Debug)]
pub struct Reports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    events: broadcast::Sender<Event>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    connected: Result<(), String>,
    open: Vec<Interruption>,
    last: Option<Interruption>,
    next_id: u64,
    foreign: u64,
    /// When it last changed whether all is well.
    since: SystemTime,
}

impl State {
    fn is_well(&self) -> bool {
        self.connected.is_ok() && self.open.is_empty()
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.is_well();
        let changed = change(self);
        if self.is_well() != before {
            self.since = SystemTime::now();
        }
        changed
    }
}

impl Default for Reports {
    fn default() -> Self {
        let state =
            State { connected: Ok(()), open: Vec::new(), last: None, next_id: 1, foreign: 0, since: SystemTime::now() };
        Self(Arc::new(Inner { events: broadcast::Sender::new(EVENTS), state: Mutex::new(state) }))
    }
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is reported from now on.
    pub fn events(&self) -> Events {
        Events(self.0.events.subscribe())
    }

    /// Whether the backend works, or why not.
    pub fn connected(&self, now: Result<(), String>) {
        self.lock().change(|state| state.connected = now);
    }

    /// How a backend is before its start.
    #[cfg(feature = "redis")]
    pub(crate) fn not_started() -> Self {
        let reports = Self::default();
        reports.connected(Err("the backend has not been started".to_owned()));
        reports
    }

    /// Somebody else published on our channels.
    pub fn foreign(&self) {
        self.lock().foreign += 1;
    }

    /// Messages may be lost that were sent since then; gives the id for [`Reports::restored`].
    pub fn interrupted(&self, server: impl Into<String>, cause: impl Into<String>, since: SystemTime) -> u64 {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        let interruption = Interruption { id, server: server.into(), cause: cause.into(), since, until: None };
        tracing::warn!(
            id,
            server = interruption.server,
            cause = interruption.cause,
            "interrupted: messages may be lost"
        );
        state.change(|state| state.open.push(interruption.clone()));
        state.last = Some(interruption.clone());
        // Sent under the lock: a beginning is never told after its end. Nobody may be watching.
        let _ = self.0.events.send(Event::Interrupted(interruption));
        id
    }

    /// The interruption of this id is over.
    pub fn restored(&self, id: u64) {
        let mut state = self.lock();
        let Some(at) = state.open.iter().position(|open| open.id == id) else { return };
        let mut interruption = state.change(|state| state.open.remove(at));
        interruption.until = Some(SystemTime::now());
        tracing::info!(id, server = interruption.server, lasted = ?interruption.lasted(), "the interruption is over");
        if state.last.as_ref().is_some_and(|last| last.id == id) {
            state.last = Some(interruption.clone());
        }
        let _ = self.0.events.send(Event::Restored(interruption));
    }

    /// How the backend is, with the numbers that only it knows.
    pub fn health(&self, subscriptions: usize, pending: usize) -> Health {
        let state = self.lock();
        let interrupted = state.open.last().map(|open| format!("{}: {}", open.server, open.cause));
        let reason = state.connected.as_ref().err().cloned().or(interrupted);
        Health {
            connected: reason.is_none(),
            since: state.since,
            reason,
            subscriptions,
            pending,
            foreign: state.foreign,
            interruptions: state.next_id - 1,
            last_interruption: state.last.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_interruption_is_told_once_and_its_end_once() {
        let reports = Reports::default();
        let mut events = reports.events();
        assert!(reports.health(3, 1).connected);
        let id = reports.interrupted("redis:6379", "reset", SystemTime::now());
        assert!(!reports.health(0, 3).connected);
        reports.restored(id);
        reports.restored(id);
        assert!(
            matches!(events.next().await, Some(Event::Interrupted(begun)) if begun.id == id && begun.until.is_none())
        );
        assert!(matches!(events.next().await, Some(Event::Restored(ended)) if ended.id == id && ended.until.is_some()));
        let health = reports.health(3, 0);
        assert!(health.connected && health.last_interruption.is_some_and(|last| last.until.is_some()));
        drop(reports);
        assert_eq!(events.next().await, None);
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_what_it_missed() {
        let reports = Reports::default();
        let mut events = reports.events();
        for _ in 0..=EVENTS {
            reports.interrupted("redis", "reset", SystemTime::now());
        }
        assert_eq!(events.next().await, Some(Event::Missed(1)));
    }
}
