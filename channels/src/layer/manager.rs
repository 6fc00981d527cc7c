//! The work underneath a layer: admission, membership, routing, and the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use super::command;
use super::drain::Draining;
use super::retry::retry;
use super::settling::{self, Settling};
use crate::backend::{
    AnyBackend, Backend, Content, Delivery, Envelope, Limits, Published, Refusal, Shares, Sink, Topic,
};
use crate::close::{CloseCode, CloseReason};
use crate::config::{Config, LimitName, Rate};
use crate::connection::{
    Connection, ConnectionRegistry, ConnectionState, Gate, Memberships, NoRoom, Room, Serializers, cork,
};
use crate::error::{Error, ErrorCode};
use crate::id::{ConnectionId, UserId};
use crate::limits::{Address, AddressPlace, Metering, Places, Verdicts};
use crate::rate_limit::{By, Limit};
use crate::stats::{Counters, Stats};

/// The longest name of a group, in bytes.
pub const MAX_GROUP_NAME_BYTES: usize = 512;
/// How long a join, or a new connection of a user, waits until the backend hears what is sent there.
pub const LIVE_WITHIN: Duration = Duration::from_secs(5);
/// A limit that never refuses, for a user whose connections are only observed.
const MAX_OBSERVED: usize = u32::MAX as usize;
/// How many times as large as allowed a message may be where its size is only observed: memory is still the server's.
const OBSERVED_SIZE_TIMES: usize = 4;
/// How many members messages that came together are given to before others get a turn.
const BURST: usize = 4096;

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
    /// The shortest time in which a consumer wants a first frame, in milliseconds.
    first_frame: AtomicU64,
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
    /// How often memberships were to be asked about again.
    rechecks: AtomicU64,
    pub(crate) started_at: Instant,
    /// The background tasks start with the first connection, when there is a runtime for sure.
    pub(super) background: OnceLock<()>,
    /// For what has to go on after a call.
    pub(super) itself: Weak<Self>,
    pub(super) settling: Arc<Settling>,
    incarnation: u64,
    next_connection: AtomicU64,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// The address has `WS_CONNECTIONS_PER_ADDRESS`: 429.
    TooManyOfAddress,
    /// The user has `MAX_CONNECTIONS_PER_CLIENT`: 429.
    TooManyOfUser,
    /// There are `MAX_TOTAL_CONNECTIONS`: 503.
    Full,
    /// The server goes: 503 with `Retry-After`.
    Draining,
    /// The backend cannot tell: 503.
    Unknown,
}

/// Whose request for a connection is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HandshakeBy<'a> {
    Address(Address),
    User(&'a UserId),
}

impl ConnectionManager {
    pub(super) fn new(config: Config, backend: AnyBackend, serializers: Serializers) -> Arc<Self> {
        let counters: Arc<Counters> = Arc::default();
        let verdicts = Arc::new(Verdicts::new(&config, Arc::clone(&counters)));
        Arc::new_cyclic(|itself| Self {
            itself: itself.clone(),
            settling: Arc::default(),
            metering: Metering::new(&config, &verdicts),
            config,
            backend,
            shares: Shares::default(),
            registry: ConnectionRegistry::default(),
            serializers,
            counters,
            verdicts,
            first_frame: AtomicU64::new(u64::MAX),
            places: Arc::default(),
            sessions: TaskTracker::new(),
            draining: CancellationToken::new(),
            deadline: CancellationToken::new(),
            drain: Draining::default(),
            #[cfg(feature = "inspector")]
            recent: std::sync::OnceLock::new(),
            rechecks: AtomicU64::new(0),
            started_at: Instant::now(),
            background: OnceLock::new(),
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
        self.counters.snapshot(registry.connection_count(), registry.user_count(), registry.group_count())
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Takes a place for a connection. Given back when the [`Place`] is dropped.
    pub(crate) async fn admit(self: &Arc<Self>, connection: &Connection) -> Result<Place, Admission> {
        // Held before the look at the drain: whoever gets past it is told and waited for.
        let session = self.sessions.token();
        if self.is_draining() {
            return Err(self.refused(Admission::Draining));
        }
        let at_address = self.admit_address(connection).map_err(|why| self.refused(why))?;
        let user = connection.user();
        // What is only observed is counted afterwards.
        let is_observed = self.verdicts.observes(LimitName::ConnectionsPerUser);
        let per_user = if is_observed { MAX_OBSERVED } else { self.config.max_connections_per_client() };
        let limits = Limits { per_user, total: self.config.max_total_connections() };
        let Some(answer) = self.deadline.run_until_cancelled(self.backend.admit(user, limits)).await else {
            return Err(self.refused(Admission::Draining));
        };
        match answer {
            Ok(Ok(())) => {
                let (manager, connection) = (Arc::clone(self), connection.clone());
                let place = Place { manager, connection, _session: session, _at_address: at_address };
                if is_observed {
                    self.observe_user(&place.connection).await;
                }
                // The backend may have thought about it for as long as the drain took.
                if self.is_draining() { Err(self.refused(Admission::Draining)) } else { Ok(place) }
            }
            Ok(Err(Refusal::User)) => {
                self.verdicts.refuses(LimitName::ConnectionsPerUser, shown(user));
                Err(self.refused(Admission::TooManyOfUser))
            }
            Ok(Err(Refusal::Total)) => Err(self.refused(Admission::Full)),
            Err(error) => {
                tracing::error!(%error, "cannot tell whether a connection may be admitted");
                Err(self.refused(Admission::Unknown))
            }
        }
    }

    fn admit_address(&self, connection: &Connection) -> Result<Option<Box<AddressPlace>>, Admission> {
        let (Some(limit), Some(address)) = (self.config.connections_per_address(), connection.address()) else {
            return Ok(None);
        };
        let (place, count) = self.places.take(address);
        if count > limit && self.verdicts.refuses(LimitName::ConnectionsPerAddress, address) {
            return Err(Admission::TooManyOfAddress);
        }
        Ok(Some(Box::new(place)))
    }

    /// Looks whether a connection that was let in would not have been.
    async fn observe_user(&self, connection: &Connection) {
        let Some(user) = connection.user() else { return };
        let limit = self.config.max_connections_per_client();
        if self.backend.connections_of(user).await.is_ok_and(|count| count > limit) {
            self.verdicts.refuses(LimitName::ConnectionsPerUser, user);
        }
    }

    /// Counts a request for a connection, by address before and by user after `#[accept]`.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_EXCEEDED`, or `BACKEND_ERROR` where nobody can tell.
    pub(crate) async fn check_handshake(&self, by: HandshakeBy<'_>) -> Result<(), Error> {
        let (limit, rate, key) = match by {
            HandshakeBy::Address(address) => {
                let Some(rate) = self.config.handshakes_per_address() else { return Ok(()) };
                (LimitName::HandshakesPerAddress, rate, format!("h\0a\0{address}"))
            }
            HandshakeBy::User(user) => {
                let Some(rate) = self.config.handshakes_per_user() else { return Ok(()) };
                (LimitName::HandshakesPerUser, rate, format!("h\0u\0{user}"))
            }
        };
        self.take_handshake(limit, rate, &key).await
    }

    async fn take_handshake(&self, limit: LimitName, rate: Rate, key: &str) -> Result<(), Error> {
        let who = key.rsplit('\0').next().unwrap_or_default();
        match self.backend.check_rate(key, rate).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) if !self.verdicts.refuses(limit, who) => Ok(()),
            Ok(Err(wait)) => {
                self.counters.refused();
                let words = "Too many connections were asked for. Please wait.";
                Err(Error::new(ErrorCode::RateLimitExceeded, words).with_retry_after(wait))
            }
            // Who only looks on lets in whom it cannot see.
            Err(error) if self.verdicts.observes(limit) => {
                tracing::debug!(%error, %limit, "cannot tell");
                Ok(())
            }
            Err(error) => {
                self.counters.refused_for_backend();
                Err(error)
            }
        }
    }

    fn refused(&self, admission: Admission) -> Admission {
        match admission {
            Admission::TooManyOfAddress => self.counters.refused(),
            Admission::TooManyOfUser => self.counters.refused_for_user_limit(),
            Admission::Full => self.counters.refused_for_total_limit(),
            Admission::Draining => self.counters.refused_for_drain(),
            Admission::Unknown => self.counters.refused_for_backend(),
        }
        tracing::debug!(?admission, "a connection is refused");
        admission
    }

    pub(crate) fn next_id(&self) -> ConnectionId {
        ConnectionId::new(self.incarnation, self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a connection known and reachable.
    pub(crate) async fn register(self: &Arc<Self>, connection: &Connection) -> Result<Registered, Error> {
        self.registry.insert(connection, |topic| self.backend.unsubscribe(topic));
        self.counters.connected();
        let registered = Registered(connection.clone());
        if let Some(user) = connection.user() {
            // On failure the guard is dropped, which takes the connection out again.
            self.live(Topic::User(user)).await?;
        }
        Ok(registered)
    }

    /// Sends a finished message to everybody of a topic.
    pub(crate) async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        if let Topic::Group(group) = topic {
            check_group(group)?;
        }
        self.backend.publish(topic, envelope).await
    }

    /// The one way into a group.
    async fn join_group(&self, connection: &Connection, group: &str) -> Result<bool, Error> {
        check_group(group)?;
        let Some(gate) = &connection.link().gate else { return self.enter_group(connection, group).await };
        let mut asked = self.rechecks.load(Ordering::Acquire);
        self.ask(&**gate, connection, group).await?;
        let is_new = self.enter_group(connection, group).await?;
        let undo = Leave { manager: self, connection, group, armed: is_new };
        // A recheck that began after the hook was asked may have come before the connection was a member.
        while is_new && asked != self.rechecks.load(Ordering::Acquire) {
            asked = self.rechecks.load(Ordering::Acquire);
            self.ask(&**gate, connection, group).await?;
        }
        undo.disarm();
        if is_new && !connection.is_in(group) {
            // The recheck took it out meanwhile, whatever the hook has said since.
            self.counters.refused_join();
            return Err(Error::authorization("You may not join this group."));
        }
        Ok(is_new)
    }

    async fn ask(&self, gate: &dyn Gate, connection: &Connection, group: &str) -> Result<(), Error> {
        let answer = gate.may_join(connection, group).await;
        answer.inspect_err(|error| {
            self.counters.refused_join();
            tracing::debug!(connection = %connection.id(), group, %error, "a join is refused");
        })
    }

    /// From here on, a join that was allowed before is asked about again. Once for all members that a command is about:
    /// each time, every join under way on this server is asked again.
    pub(super) fn begin_recheck(&self) {
        self.rechecks.fetch_add(1, Ordering::AcqRel);
    }

    /// Asks again about one membership of a connection or all, once the recheck has begun; which of them were ended.
    pub(super) async fn recheck_groups(&self, connection: &Connection, group: Option<&str>) -> Vec<String> {
        let mut left = Vec::new();
        for group in group.map_or_else(|| connection.groups(), |group| vec![group.to_owned()]) {
            if self.recheck_member(connection, &group).await {
                left.push(group);
            }
        }
        left
    }

    /// Asks again about one membership; whether it was ended.
    async fn recheck_member(&self, connection: &Connection, group: &str) -> bool {
        let Some(gate) = &connection.link().gate else { return false };
        if !connection.is_in(group) {
            return false;
        }
        let Err(error) = gate.may_join(connection, group).await else { return false };
        if !matches!(error.code(), ErrorCode::AuthorizationFailed | ErrorCode::AuthenticationFailed) {
            // Nobody else hears of it.
            self.failed(&error.located(connection.id(), connection.user(), None));
        }
        let was_member = self.leave_group(connection, group);
        if was_member {
            self.counters.revoked();
            tracing::debug!(connection = %connection.id(), group, "a membership is not allowed any more");
        }
        was_member
    }

    async fn enter_group(&self, connection: &Connection, group: &str) -> Result<bool, Error> {
        let gone = |topic: Topic<'_>| self.backend.unsubscribe(topic);
        let mut room =
            Room { groups: self.config.max_total_groups(), of_connection: self.config.groups_per_connection() };
        let mut joined = self.registry.join(connection, group, room, gone)?;
        if matches!(joined, Err(NoRoom::OfConnection)) {
            if self.verdicts.refuses(LimitName::GroupsPerConnection, connection.id()) {
                return Err(too_many_groups(room.of_connection));
            }
            room.of_connection = usize::MAX;
            joined = self.registry.join(connection, group, room, gone)?;
        }
        let is_new = match joined {
            Ok(is_new) => is_new,
            Err(_) => {
                let limit = self.config.max_total_groups();
                return Err(Error::backend("There are as many groups as may be.")
                    .with_component("registry")
                    .with_metadata("MAX_TOTAL_GROUPS", limit.to_string()));
            }
        };
        let undo = Leave { manager: self, connection, group, armed: is_new };
        // Also where it is a member already: another join may still wait for the topic to be live.
        self.live(Topic::Group(group)).await?;
        undo.disarm();
        if is_new {
            self.backend.members_changed(group);
        }
        Ok(is_new)
    }

    /// Waits until what is sent to a topic is heard here.
    async fn live(&self, topic: Topic<'_>) -> Result<(), Error> {
        let late = |_| Error::backend("The backend does not answer now.").with_component("backend");
        tokio::time::timeout(LIVE_WITHIN, retry(|| self.backend.subscribe(topic))).await.map_err(late)?
    }

    fn leave_group(&self, connection: &Connection, group: &str) -> bool {
        let was_member = self.registry.leave(connection, group, |topic| self.backend.unsubscribe(topic));
        if was_member {
            self.backend.members_changed(group);
        }
        was_member
    }

    /// What the servers share.
    pub(crate) fn backend(&self) -> &AnyBackend {
        &self.backend
    }

    /// Takes one of a limit.
    pub(crate) async fn check_rate(&self, connection: &Connection, limit: &Limit) -> Result<(), Error> {
        let rate = self.config.rate_limits().get(limit.bucket).copied().unwrap_or(limit.rate);
        // Neither part has control characters, so that no two pairs make one key.
        let key = match (limit.by, connection.user(), connection.address()) {
            (By::User, Some(user), _) => format!("u\0{}\0{user}", limit.bucket),
            (By::Ip, _, Some(address)) => format!("i\0{}\0{address}", limit.bucket),
            _ => return self.limited(limit, connection.limiters().check(limit.bucket, rate)),
        };
        match self.backend.check_rate(&key, rate).await {
            Ok(answer) => self.limited(limit, answer),
            Err(error) if self.is_observed(limit) => {
                tracing::debug!(%error, bucket = limit.bucket, "cannot tell");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The largest message that is taken, in bytes: more than may be where what is too large is only observed.
    pub(crate) fn largest_message(&self) -> usize {
        let is_observed = self.verdicts.observes(LimitName::MessageSize);
        let allowed = self.config.max_message_size();
        if is_observed { allowed.saturating_mul(OBSERVED_SIZE_TIMES) } else { allowed }
    }

    /// Some consumer wants a first frame within this time: the sweep has to look often enough.
    pub(crate) fn expect_first_frame(&self, within: Duration) {
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.first_frame.fetch_min(within, Ordering::Relaxed);
    }

    pub(super) fn first_frame_within(&self) -> Duration {
        Duration::from_millis(self.first_frame.load(Ordering::Relaxed))
    }

    /// A message is nested too deep: whether it is to be refused.
    pub(crate) fn refuses_depth(&self, connection: &Connection) -> bool {
        self.verdicts.refuses(LimitName::PayloadDepth, connection.id())
    }

    fn is_observed(&self, limit: &Limit) -> bool {
        limit.observe_only || self.verdicts.observes(LimitName::RateLimits)
    }

    fn limited(&self, limit: &Limit, answer: Result<(), Duration>) -> Result<(), Error> {
        let Err(wait) = answer else { return Ok(()) };
        let is_refused = self.verdicts.refuses_unless(self.is_observed(limit), LimitName::RateLimits, limit.bucket);
        if is_refused { Err(Error::rate_limited(wait)) } else { Ok(()) }
    }

    /// The last errors, from the first call on.
    #[cfg(feature = "inspector")]
    pub(crate) fn recent_errors(&self) -> Arc<super::Recent> {
        Arc::clone(self.recent.get_or_init(Arc::default))
    }

    /// Counts an error and writes it to the log, with its cause, under its `error_id`.
    pub(crate) fn failed(&self, error: &Error) {
        self.counters.failed(error.code());
        #[cfg(feature = "inspector")]
        if let Some(recent) = self.recent.get() {
            recent.add(error);
        }
        super::log::error(error);
    }
}

/// Undoes a join that failed or was dropped half-way: a member of a topic that is not live would be deaf.
struct Leave<'a> {
    manager: &'a ConnectionManager,
    connection: &'a Connection,
    group: &'a str,
    armed: bool,
}

impl Leave<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.manager.leave_group(self.connection, self.group);
        }
    }
}

fn too_many_groups(limit: usize) -> Error {
    let problem = format!("a connection is in at most {limit} groups (WS_GROUPS_PER_CONNECTION)");
    Error::validation("group", problem)
}

fn shown(user: Option<&UserId>) -> &str {
    user.map_or("", UserId::as_str)
}

pub(super) fn check_group(group: &str) -> Result<(), Error> {
    if group.is_empty() || group.len() > MAX_GROUP_NAME_BYTES {
        let problem = format!("a group's name has 1 to {MAX_GROUP_NAME_BYTES} bytes");
        return Err(Error::validation("group", problem));
    }
    Ok(())
}

impl Sink for ConnectionManager {
    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn deliver(&self, topic: Topic<'_>, envelope: &Envelope) -> usize {
        if envelope.content != Content::Message {
            return command::carry_out(self, topic, envelope);
        }
        let outcome = self.registry.deliver(topic, envelope);
        if let Some(asked) = envelope.asked {
            settling::answer(self, asked, outcome);
        }
        outcome.taken()
    }

    fn deliver_all(&self, messages: &mut dyn Iterator<Item = Delivery>) -> usize {
        // What goes to one connection is written at once, when the cork is drawn.
        cork::corked(|| {
            let mut taken = 0;
            while taken < BURST {
                let Some(message) = messages.next() else { break };
                // A message costs something also where nobody takes it.
                taken += 1 + self.deliver(message.to.as_topic(), &message.envelope);
            }
            taken
        })
    }

    fn local_members(&self, topic: Topic<'_>) -> usize {
        self.registry.members(topic)
    }

    fn evict(&self, user: Option<&UserId>, connections: usize) {
        let of = match user {
            Some(user) => self.registry.user_connections(user),
            None => self.registry.batches(connections).next().unwrap_or_default(),
        };
        for connection in of.iter().take(connections) {
            tracing::warn!(connection = %connection.id(), "closed: others have taken its place");
            connection.close_with(CloseReason::server(CloseCode::TRY_AGAIN_LATER, "too many connections"));
        }
    }

    fn server_name(&self) -> String {
        self.config.server_instance_id().to_owned()
    }

    fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }
}

impl Memberships for ConnectionManager {
    fn join<'a>(&'a self, connection: &'a Connection, group: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        self.join_group(connection, group).boxed()
    }

    fn leave(&self, connection: &Connection, group: &str) -> bool {
        self.leave_group(connection, group)
    }

    fn leave_everything(&self, connection: &Connection) {
        let left = |group: &str| self.backend.members_changed(group);
        self.registry.remove(connection, |topic| self.backend.unsubscribe(topic), left);
    }

    fn recheck<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Vec<String>> {
        async move {
            self.begin_recheck();
            self.recheck_groups(connection, None).await
        }
        .boxed()
    }
}

/// An admitted connection's place; dropped, it is free again. So no way out of a session can leak one.
pub(crate) struct Place {
    manager: Arc<ConnectionManager>,
    connection: Connection,
    /// The drain waits for it.
    _session: TaskTrackerToken,
    /// Boxed, as it is there only where connections are limited by address.
    _at_address: Option<Box<AddressPlace>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.manager.backend.release(self.connection.user());
    }
}

/// A registered connection; dropped, it has left everything.
pub(crate) struct Registered(Connection);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.link().memberships.leave_everything(&self.0);
        self.0.set_state(ConnectionState::Disconnected);
    }
}

/// A place for whoever asks the manager without keeping it alive.
pub(super) type WeakManager = Weak<ConnectionManager>;

/// The error of an operation on a connection that is not here.
pub(super) fn not_connected() -> Error {
    Error::new(ErrorCode::ConnectionError, "There is no such connection.").not_closing()
}
