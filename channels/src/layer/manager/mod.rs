//! The work underneath a layer: what it holds together. Its parts are admission, what may be asked for, membership, who is
//! asked about it, and delivery.

mod admission;
mod asking;
mod buckets;
mod delivery;
mod limits;
mod membership;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::admission::Admission;
pub(crate) use self::admission::{HandshakeBy, Place, Refused};
pub use self::membership::LIVE_WITHIN;
pub(crate) use self::membership::Registered;
use self::turns::Turns;
use super::drain::Draining;
use super::log::{self, Log};
use super::retry::retry;
use super::settling::Settling;
use crate::backend::{AnyBackend, Backend, Shares, Sink};
use crate::config::Config;
use crate::connection::{Connection, ConnectionRegistry, Gate, Serializers};
use crate::error::Error;
use crate::id::{ConnectionId, UserId};
use crate::limits::{Metering, Places, UnfinishedBytes, Verdicts};
use crate::rate_limit::Clock;
use crate::stats::{Counters, Stats};

/// Admits connections, keeps who is in which group, and routes messages. The typed operations are
/// those of [`ChannelLayer`](crate::ChannelLayer); this is where they end up.
pub struct ConnectionManager {
    pub(crate) config: Config,
    pub(crate) backend: AnyBackend,
    /// Who has how much remembered of what is done once.
    pub(crate) shares: Shares,
    pub(crate) registry: ConnectionRegistry,
    pub(crate) serializers: Serializers,
    pub(crate) counters: Arc<Counters>,
    pub(crate) verdicts: Arc<Verdicts>,
    /// `None` where neither frames nor bytes are limited.
    pub(crate) metering: Option<Arc<Metering>>,
    /// What messages that are not complete hold together.
    pub(crate) unfinished: Arc<UnfinishedBytes>,
    /// The shortest time in which a consumer wants a first frame, in milliseconds.
    first_frame: AtomicU64,
    /// What the limits of its routes are called.
    buckets: buckets::Buckets,
    /// Connections by address, where these are limited.
    places: Arc<Places>,
    pub(crate) sessions: TaskTracker,
    /// Cancelled when the drain begins: new upgrades are refused.
    pub(crate) draining: CancellationToken,
    /// Cancelled at the deadline of the drain: handlers are dropped where they are.
    pub(crate) deadline: CancellationToken,
    pub(super) drain: Draining,
    /// Kept from the moment on in which somebody looks.
    #[cfg(feature = "inspector")]
    recent: std::sync::OnceLock<Arc<super::Recent>>,
    /// Asked about every join, before the consumer's own.
    gates: Vec<Box<dyn Gate>>,
    /// How often memberships were to be asked about again.
    rechecks: AtomicU64,
    /// Joins of one group by one connection come one after the other.
    turns: Turns,
    pub(crate) started_at: Instant,
    /// The background tasks start with the first connection, when there is a runtime for sure.
    pub(super) background: Mutex<Vec<AbortHandle>>,
    /// For what has to go on after a call.
    pub(super) itself: Weak<Self>,
    pub(super) settling: Arc<Settling>,
    log: Log,
    clock: Clock,
    incarnation: u64,
    next_connection: AtomicU64,
}

impl ConnectionManager {
    pub(super) fn new(
        config: Config,
        backend: AnyBackend,
        serializers: Serializers,
        gates: Vec<Box<dyn Gate>>,
    ) -> Arc<Self> {
        let counters: Arc<Counters> = Arc::default();
        let verdicts = Arc::new(Verdicts::new(&config, Arc::clone(&counters)));
        Arc::new_cyclic(|itself| Self {
            itself: itself.clone(),
            settling: Arc::default(),
            metering: Metering::new(&config, &verdicts),
            unfinished: UnfinishedBytes::new(&config, limits::largest_message(&config, &verdicts), &verdicts),
            config,
            backend,
            shares: Shares::default(),
            registry: ConnectionRegistry::default(),
            serializers,
            counters,
            verdicts,
            first_frame: AtomicU64::new(u64::MAX),
            buckets: buckets::Buckets::default(),
            places: Arc::default(),
            sessions: TaskTracker::new(),
            draining: CancellationToken::new(),
            deadline: CancellationToken::new(),
            drain: Draining::default(),
            #[cfg(feature = "inspector")]
            recent: std::sync::OnceLock::new(),
            gates,
            rechecks: AtomicU64::new(0),
            turns: Turns::default(),
            started_at: Instant::now(),
            background: Mutex::default(),
            log: Log::default(),
            clock: Clock::start(),
            incarnation: Uuid::now_v7().as_u64_pair().1,
            next_connection: AtomicU64::new(1),
        })
    }

    pub(super) async fn start(self: &Arc<Self>) -> Result<(), Error> {
        let sink: Arc<dyn Sink> = Arc::clone(self) as Arc<dyn Sink>;
        retry(|| self.backend.start(Arc::downgrade(&sink))).await
    }

    /// The connections of this server.
    pub fn registry(&self) -> &ConnectionRegistry {
        &self.registry
    }

    /// A user's connections on this server.
    pub fn user_connections(&self, user: &UserId) -> Vec<Connection> {
        self.registry.user_connections(user)
    }

    /// This server's numbers.
    pub fn stats(&self) -> Stats {
        let registry = &self.registry;
        let (connections, users, groups) = (registry.connection_count(), registry.user_count(), registry.group_count());
        let counted = self.counters.snapshot(connections, users, groups);
        Stats { unfinished_bytes: self.unfinished.held(), ..counted }
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) fn next_id(&self) -> ConnectionId {
        ConnectionId::new(self.incarnation, self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// What the servers share.
    pub(crate) fn backend(&self) -> &AnyBackend {
        &self.backend
    }

    /// The last errors, from the first call on.
    #[cfg(feature = "inspector")]
    pub(crate) fn recent_errors(&self) -> Arc<super::Recent> {
        Arc::clone(self.recent.get_or_init(Arc::default))
    }

    /// Counts an error and writes it to the log, with its cause, under its `error_id`; how loudly depends on how many there are.
    pub(crate) fn failed(&self, error: &Error) {
        self.counters.failed(error.code());
        self.show(error);
        self.log.error(error, self.clock.nanos(Instant::now()));
    }

    /// Keeps an error for whoever looks on, if anybody does.
    #[cfg_attr(not(feature = "inspector"), allow(unused_variables, reason = "nobody can look on"))]
    fn show(&self, error: &Error) {
        #[cfg(feature = "inspector")]
        if let Some(recent) = self.recent.get() {
            recent.add(error);
        }
    }

    /// Writes to the log how much there was that it did not say: called by the layer's sweep.
    pub(super) fn tell_rest(&self) {
        self.verdicts.tell_rest();
        self.log.tell_rest(self.clock.nanos(Instant::now()));
        log::tell_rest_of_responses();
    }
}

/// A place for whoever asks the manager without keeping it alive.
pub(super) type WeakManager = Weak<ConnectionManager>;
