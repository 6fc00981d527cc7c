//! The end of a server, in order: no new connections, clients told to come back and closed in steps, what is queued
//! written, hooks run; at the deadline handlers are dropped, and hooks still run.

mod pace;

use std::future::{Future, IntoFuture};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::pace::Pace;
use super::ChannelLayer;
use super::manager::ConnectionManager;
use crate::backend::Backend;
use crate::close::{CloseCode, CloseReason};
use crate::config::Config;
use crate::connection::Connection;
use crate::id::ConnectionId;
use crate::message::control_frame;

/// How long a session may take to end after its `#[disconnect]`, when nothing is waited for any more.
const LAST_STEPS: Duration = Duration::from_secs(1);
/// How long the backend may take to stop: longer than that of Redis takes to say goodbye to one that does not answer.
const BACKEND_STOPS_WITHIN: Duration = Duration::from_secs(4);
/// Time between two steps of the closing. Whoever's turn is in a step is closed at its beginning.
const STEP: Duration = Duration::from_millis(10);
/// How many connections are closed, at most, before others get a turn.
const BATCH: usize = 64;
/// The closing takes this part of the deadline at most: the rest is for what is queued, and for handlers that run.
const SHARE_OF_DEADLINE: u32 = 2;

/// What a drain came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that the drain closed.
    pub closed: usize,
    /// Connections that had not ended at the deadline: their handlers were dropped.
    pub dropped: usize,
    /// Messages that were queued and never written from the drain's beginning on, because their client did not take
    /// them in time or had gone, and those that a policy left out. [`Stats::dropped`](crate::Stats::dropped) counts
    /// them too.
    pub unsent: u64,
}

/// What is known of a drain while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Draining {
    begun: AtomicBool,
    /// Set when it has been seen who is there.
    turns: OnceLock<Turns>,
    /// Cancelled when everybody has been told.
    told: CancellationToken,
    closed: AtomicUsize,
    /// Connections that had not ended at the deadline.
    late: AtomicUsize,
    /// Messages that had been dropped before it began.
    dropped_before: AtomicU64,
}

/// When clients may come back.
#[derive(Debug)]
struct Turns {
    pace: Pace,
    began: Instant,
    /// The first turn that nobody has. Who comes in while the server closes gets one behind all others.
    next: AtomicUsize,
}

impl Turns {
    fn of(clients: &Clients, config: &Config) -> Self {
        let longest = config.drain_over().min(config.drain_timeout() / SHARE_OF_DEADLINE);
        let (plain, told) = (clients.plain.len(), clients.told.len());
        let pace = Pace::new(plain, told, config.reconnect_rate(), longest);
        Self { pace, began: Instant::now(), next: AtomicUsize::new(told) }
    }

    /// How long a client that is closed now has to stay away.
    fn wait(&self, turn: usize) -> Duration {
        self.pace.returns(turn).saturating_sub(self.began.elapsed())
    }
}

/// Who is there when it begins.
#[derive(Default)]
struct Clients {
    plain: Vec<ConnectionId>,
    /// Those that negotiated the extras.
    told: Vec<ConnectionId>,
}

#[derive(Serialize)]
struct Reconnect {
    after_ms: u64,
}

impl ChannelLayer {
    /// A future for `axum::serve(…).with_graceful_shutdown(…)`: waits for the signal, begins the drain, and ends when
    /// every socket has been closed, or at `WS_DRAIN_TIMEOUT`. Until then the server is still reachable: `/readyz` says
    /// that it goes, upgrades get 503 with `Retry-After`, and requests that are no WebSocket's are answered.
    ///
    /// Then axum waits for its own connections, for as long as they last: one request that is never sent to its end
    /// keeps a server for ever. So let [`ChannelLayer::run`] await it, which also waits for what axum has forgotten at
    /// the upgrade.
    ///
    /// ```no_run
    /// # use channels::ChannelLayer;
    /// # async fn run(layer: ChannelLayer, listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
    /// let stop = layer.shutdown_on(channels::shutdown_signal());
    /// layer.run(axum::serve(listener, app).with_graceful_shutdown(stop)).await?;
    /// # Ok(()) }
    /// ```
    pub fn shutdown_on<O>(
        &self,
        signal: impl Future<Output = O> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let layer = self.clone();
        async move {
            drop(Box::pin(signal).await);
            layer.drain();
            let manager = layer.manager();
            manager.drain.told.cancelled().await;
            // Who looks at `/readyz` is answered, and not refused, for as long as a client or handler takes.
            manager.ended_or_late().await;
        }
    }

    /// Runs a server until it has ended, or a drain has, and then waits as [`ChannelLayer::drained`] does: what
    /// keeps a server open beside its sockets, such as a request that is never sent to its end, keeps it no longer than
    /// `WS_DRAIN_TIMEOUT`.
    ///
    /// # Errors
    ///
    /// The server's own, at once; nothing is drained then.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the server is dropped; a drain that has begun goes on to its deadline.
    ///
    /// ```no_run
    /// # use channels::ChannelLayer;
    /// # async fn run(layer: ChannelLayer, listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
    /// let stop = layer.shutdown_on(channels::shutdown_signal());
    /// let drained = layer.run(axum::serve(listener, app).with_graceful_shutdown(stop)).await?;
    /// println!("{} were closed", drained.closed);
    /// # Ok(()) }
    /// ```
    pub async fn run<E>(&self, server: impl IntoFuture<Output = Result<(), E>>) -> Result<Drained, E> {
        self.manager().warn_about_unknown_buckets();
        tokio::select! {
            served = server.into_future() => served?,
            () = self.drain_ended() => {}
        }
        Ok(self.drained().await)
    }

    /// Begins the drain and returns at once: [`ready`](ChannelLayer::ready) is an error and new upgrades get 503 from
    /// now on. Clients are closed in steps with 1012, `WS_RECONNECT_RATE` of them a second, or as many as have to for
    /// all to be closed within `WS_DRAIN_OVER`; half of `WS_DRAIN_TIMEOUT` at most. Who negotiated the extras gets
    /// `$reconnect {"after_ms"}` right before, each its own: how long to stay away, so that no second sees more than
    /// `WS_RECONNECT_RATE` of them come back. Who is not closed yet goes on as ever. A second call does nothing.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn drain(&self) {
        let manager = Arc::clone(self.manager());
        if manager.drain.begun.swap(true, Ordering::AcqRel) {
            return;
        }
        manager.draining.cancel();
        // Whoever is admitted from now on is refused, so that it can only get fewer.
        manager.sessions.close();
        manager.drain.dropped_before.store(manager.stats().dropped, Ordering::Relaxed);
        tracing::info!(connections = manager.registry.connection_count(), "draining");
        // At once, so that whoever is registered from now on has a turn behind all others.
        let clients = Clients::of(&manager);
        let turns = manager.drain.turns.get_or_init(|| Turns::of(&clients, &manager.config));
        tracing::debug!(plain = clients.plain.len(), told = clients.told.len(), over = ?turns.pace.closed(), "closing");
        tokio::spawn(async move {
            let timeout = manager.config.drain_timeout();
            let until_then = async {
                manager.close_in_steps(&clients).await;
                manager.drain.told.cancel();
                manager.deadline.cancelled().await;
            };
            if tokio::time::timeout(timeout, until_then).await.is_err() {
                let connections = manager.registry.connection_count();
                tracing::warn!(connections, ?timeout, "the drain's deadline has passed");
                manager.drain.late.store(connections, Ordering::Relaxed);
                manager.deadline.cancel();
                // Who has not been told yet is told now, whatever that takes: nothing else ends an idle session.
                manager.registry.for_each(1, async |connection| manager.tell_behind_all(&connection)).await;
                manager.drain.told.cancel();
            }
        });
    }

    /// Waits until a drain has ended or its deadline has passed; begins none. For what has to end with a server that
    /// [`ChannelLayer::run`] does not run.
    pub async fn drain_ended(&self) {
        self.manager().deadline.cancelled().await;
    }

    /// Waits until the drain is done: every socket closed and every `#[disconnect]` run. Begins the
    /// drain where nobody has. Afterwards the backend is stopped, within four seconds.
    ///
    /// When `WS_DRAIN_TIMEOUT` is over, handlers are dropped where they are and clients are waited for
    /// no longer; each `#[disconnect]` still has its `WS_DISCONNECT_TIMEOUT`. It takes no longer than
    /// both together and five seconds, of which a Redis that does not answer takes three.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the drain goes on to its deadline.
    pub async fn drained(&self) -> Drained {
        self.drain();
        let manager = self.manager();
        manager.ended_or_late().await;
        manager.deadline.cancel();
        let hooks = manager.config.disconnect_timeout() + LAST_STEPS;
        if tokio::time::timeout(hooks, manager.sessions.wait()).await.is_err() {
            tracing::error!("sessions do not end: a handler or hook blocks its thread");
        }
        if tokio::time::timeout(BACKEND_STOPS_WITHIN, manager.backend.stop()).await.is_err() {
            tracing::error!(backend = manager.backend.name(), "the backend does not stop; it is left as it is");
        }
        let unsent = manager.stats().dropped - manager.drain.dropped_before.load(Ordering::Relaxed);
        Drained {
            closed: manager.drain.closed.load(Ordering::Relaxed),
            dropped: manager.drain.late.load(Ordering::Relaxed),
            unsent,
        }
    }
}

impl ConnectionManager {
    /// Tells a client, unless it has been told: one that was admitted before the drain and registered after it began,
    /// or whose handler was dropped at the deadline.
    pub(crate) fn tell_if_draining(&self, connection: &Connection) {
        if self.is_draining() {
            self.tell_behind_all(connection);
        }
    }

    /// Every socket is closed and every hook has run, or the deadline has passed. Only once a drain has begun.
    async fn ended_or_late(&self) {
        tokio::select! {
            () = self.sessions.wait() => {}
            () = self.deadline.cancelled() => {}
        }
    }

    /// Closes everybody who is there, or sees all of them go.
    async fn close_in_steps(&self, clients: &Clients) {
        let Some(turns) = self.drain.turns.get() else { return };
        tokio::select! {
            () = self.close(clients, turns) => {}
            () = self.sessions.wait() => {}
        }
    }

    async fn close(&self, clients: &Clients, turns: &Turns) {
        let mut plain = clients.plain.iter().enumerate().peekable();
        let mut told = clients.told.iter().enumerate().peekable();
        let mut since_a_turn = 0;
        loop {
            let due = turns.began.elapsed() + STEP;
            let next = |now: &(usize, &ConnectionId)| turns.pace.closes_plain(now.0) < due;
            let next_told = |now: &(usize, &ConnectionId)| turns.pace.closes_told(now.0) < due;
            if let Some((_, id)) = plain.next_if(next) {
                self.tell(*id, Duration::ZERO);
            } else if let Some((turn, id)) = told.next_if(next_told) {
                self.tell(*id, turns.wait(turn));
            } else if plain.peek().is_none() && told.peek().is_none() {
                return;
            } else {
                since_a_turn = 0;
                tokio::time::sleep(STEP).await;
                continue;
            }
            since_a_turn += 1;
            if since_a_turn == BATCH {
                since_a_turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    fn tell(&self, id: ConnectionId, wait: Duration) {
        if let Some(connection) = self.registry.get(id) {
            self.tell_to_wait(&connection, wait);
        }
    }

    fn tell_behind_all(&self, connection: &Connection) {
        if connection.is_closing() {
            // Nobody has two turns.
            return;
        }
        let wait = match self.drain.turns.get() {
            Some(turns) if connection.link().extras => turns.wait(turns.next.fetch_add(1, Ordering::Relaxed)),
            // It came in at the very moment when the drain began: the first turn is as good as any.
            _ => Duration::ZERO,
        };
        self.tell_to_wait(connection, wait);
    }

    fn tell_to_wait(&self, connection: &Connection, wait: Duration) {
        if connection.is_closing() {
            return;
        }
        if connection.link().extras {
            let after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let frame = control_frame(connection.link().layout, "$reconnect", Some(&Reconnect { after_ms }), None);
            // Who is ending already learns to come back from the close code.
            let _ = frame.and_then(|frame| connection.send_last(&frame));
        }
        self.drain.closed.fetch_add(1, Ordering::Relaxed);
        connection.close_with(CloseReason::server(CloseCode::SERVICE_RESTART, "the server restarts"));
    }
}

impl Clients {
    /// In the order of the registry's hashes, which is nobody's: each group is closed evenly.
    fn of(manager: &ConnectionManager) -> Self {
        let mut clients = Self::default();
        for connection in manager.registry.batches(BATCH).flatten() {
            let kind = if connection.link().extras { &mut clients.told } else { &mut clients.plain };
            kind.push(connection.id());
        }
        clients
    }
}
