//! Connections, who has joined what, and what waits to be written.

mod answering;
mod batch;
pub(crate) mod cork;
mod encoded;
mod lane;
mod latest;
mod life;
mod link;
mod member;
mod outbox;
mod outcome;
mod queue;
mod rare;
mod registry;
mod run;
mod sending;
mod slot;
mod small_set;
mod subscribers;
mod sync;
mod told;
mod traffic;
mod variants;
mod wire;

use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

pub(crate) use batch::Batch;
use bytestring::ByteString;
pub(crate) use encoded::Encoded;
pub(crate) use link::{Gate, Link, Memberships, Serializers, Variant};
pub(crate) use outbox::{Outbox, OutboxLimits};
pub(crate) use outcome::Outcome;
pub use registry::ConnectionRegistry;
pub(crate) use registry::{NoRoom, Room};
use serde_json::Value;
use tokio::time::Instant;
pub(crate) use wire::{Tally, Wire};

use self::rare::Rare;
use self::small_set::SmallSet;
use self::traffic::Traffic;
use crate::close::{CloseCode, CloseReason};
use crate::error::{Error, ErrorCode, Severity};
use crate::id::{ConnectionId, UserId};
use crate::limits::{Address, Meter};
#[cfg(doc)]
use crate::message::OutboxPolicy;
use crate::message::{Frame, MessagePolicy, Outgoing};
use crate::rate_limit::ConnectionLimiters;
use crate::spans::Traced;
use crate::websocket::Chunk;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionState {
    /// Admitted; the upgrade is not done, or `#[connect]` has not ended.
    Connecting,
    /// Messages are handled.
    Connected,
    /// It is ending: nothing more is sent, `#[disconnect]` runs, the groups are still readable.
    Disconnecting,
    /// It has left everything.
    Disconnected,
}

/// One client's connection: a handle that every task may hold. A copy costs a reference count.
///
/// ```
/// # use channels::prelude::*;
/// # #[derive(Clone, Copy, Debug, Outgoing)] enum ServerMessage { Hello }
/// async fn greet(conn: &Connection) -> Result<(), channels::Error> {
///     conn.join("lobby").await?;
///     conn.send(ServerMessage::Hello)
/// }
/// ```
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    id: ConnectionId,
    user: Option<UserId>,
    ip: Option<IpAddr>,
    link: Arc<Link>,
    outbox: Outbox,
    state: AtomicU8,
    /// The groups it is in; `None` once it has left for good, so that a late join cannot leak.
    groups: Mutex<Option<SmallSet<Arc<str>>>>,
    rare: OnceLock<Box<Rare>>,
    closing: OnceLock<Box<CloseReason>>,
    /// Milliseconds from the link's beginning, as the two below.
    connected_at: u64,
    /// How many milliseconds later `#[connect]` had ended, so that the client was waited for.
    opened_after: AtomicU32,
    /// When something was read last.
    last_inbound: AtomicU64,
    /// When the first byte of a message came that is not complete, and 1; 0 where there is none.
    unfinished_since: AtomicU64,
    /// A handler runs: the client counts as alive under the handler's own time-out.
    handling: AtomicBool,
    /// That time is up.
    late: AtomicBool,
    received: Traffic,
    /// A null pointer where nobody listens.
    span: Traced,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, user: Option<UserId>, ip: Option<IpAddr>, link: Arc<Link>) -> Self {
        let now = link.millis(Instant::now());
        let span = Traced::connection(id, user.as_ref(), ip);
        Self(Arc::new(Inner {
            id,
            user,
            ip,
            outbox: Outbox::new(Arc::clone(&link)),
            link,
            state: AtomicU8::new(ConnectionState::Connecting as u8),
            groups: Mutex::new(Some(SmallSet::default())),
            rare: OnceLock::new(),
            closing: OnceLock::new(),
            connected_at: now,
            opened_after: AtomicU32::new(0),
            last_inbound: AtomicU64::new(now),
            unfinished_since: AtomicU64::new(0),
            handling: AtomicBool::new(false),
            late: AtomicBool::new(false),
            received: Traffic::default(),
            span,
        }))
    }

    /// Its id: unique over all servers and over restarts.
    pub fn id(&self) -> ConnectionId {
        self.0.id
    }

    /// Whose it is; `None` for an anonymous one.
    pub fn user(&self) -> Option<&UserId> {
        self.0.user.as_ref()
    }

    /// The client's address, where the server was started with connect info; behind a proxy of `WS_TRUSTED_PROXIES`
    /// the one that it names.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.ip
    }

    /// What counts as the client's address in limits.
    pub(crate) fn address(&self) -> Option<Address> {
        self.0.ip.map(Address::from)
    }

    /// Where it is in its life.
    pub fn state(&self) -> ConnectionState {
        match self.0.state.load(Ordering::Acquire) {
            0 => ConnectionState::Connecting,
            1 => ConnectionState::Connected,
            2 => ConnectionState::Disconnecting,
            _ => ConnectionState::Disconnected,
        }
    }

    /// Whether only its `#[disconnect]` still runs, or not even that.
    fn is_leaving(&self) -> bool {
        matches!(self.state(), ConnectionState::Disconnecting | ConnectionState::Disconnected)
    }

    /// The groups it is in, sorted; during `#[disconnect]` those it was in.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// for group in conn.groups() {
    ///     println!("{} is in {group}", conn.id());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> =
            self.lock_groups().iter().flat_map(SmallSet::iter).map(|group| String::from(&**group)).collect();
        groups.sort_unstable();
        groups
    }

    /// Some of its groups, at most so many, and how many there are.
    #[cfg(feature = "inspector")]
    pub(crate) fn first_groups(&self, at_most: usize) -> (Vec<String>, usize) {
        let groups = self.lock_groups();
        let Some(groups) = groups.as_ref() else { return (Vec::new(), 0) };
        let mut first: Vec<String> = groups.iter().take(at_most).map(|group| String::from(&**group)).collect();
        first.sort_unstable();
        (first, groups.len())
    }

    /// Whether it is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.lock_groups().as_ref().is_some_and(|groups| groups.contains(group))
    }

    /// Joins a group and says whether it was new. What is sent to the group after this returned
    /// reaches this connection.
    ///
    /// # Errors
    ///
    /// What the [hook of the layer](crate::ChannelLayerBuilder::authorize) or the consumer's `#[authorize]` says,
    /// `AUTHORIZATION_FAILED` where one says no: they are asked also where the connection is a member already, which it
    /// then stays until [`Connection::recheck`].
    /// `VALIDATION_FAILED` for a name that is no group's, `BACKEND_ERROR` where `MAX_TOTAL_GROUPS`
    /// is reached or the backend cannot, `CONNECTION_ERROR` where the connection has ended.
    ///
    /// Joins of one group by one connection come one after the other; who waits longer than [`LIVE_WITHIN`](crate::LIVE_WITHIN)
    /// for those before gets `BACKEND_ERROR`. Who leaves meanwhile has joined and left.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, the connection is not in the group, unless it was before.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// if conn.join("rust").await? {
    ///     println!("new in the room");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn join(&self, group: &str) -> Result<bool, Error> {
        self.0.link.memberships.join(self, group).await
    }

    /// Leaves a group and says whether it was in it.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// assert!(conn.leave("rust"), "was in the room");
    /// # Ok(()) }
    /// ```
    pub fn leave(&self, group: &str) -> bool {
        self.0.link.memberships.leave(self, group)
    }

    /// Asks the hook of the layer and the consumer's `#[authorize]` again for each group that the connection is in, and leaves
    /// those that one does not allow now, also where it fails; which these are. Where there is neither, there is nothing to ask.
    ///
    /// A join that is under way meanwhile is asked about once more, too. The client is told by whoever calls this. It is
    /// not for such a hook itself, which would be asked by its own question, without end: there it asks nobody, and an error in
    /// the log says so.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it stops: the groups that were not asked about stay as they are.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// // Somebody's rights have changed.
    /// for group in conn.recheck().await {
    ///     conn.send(ServerMessage::Notice(format!("you may not be in {group} any more")))?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn recheck(&self) -> Vec<String> {
        self.0.link.memberships.recheck(self).await
    }

    /// Sends to this client only. Never waits: the message is queued, and leaves when the handler waits or ends;
    /// outside of handlers at once. A handler that blocks its thread until it has had an effect waits for ever.
    ///
    /// # Errors
    ///
    /// `CONNECTION_ERROR` where the connection has ended or its outbox is full (4413), `SYSTEM_ERROR`
    /// where the message cannot be encoded. What [`OutboxPolicy::DropNewest`] drops is no error: it is
    /// counted, and told by `$dropped`. Nor is it one where a later message takes its place.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// conn.send(ServerMessage::Notice("hi".into()))?;
    /// # Ok(()) }
    /// ```
    pub fn send(&self, message: impl Outgoing) -> Result<(), Error> {
        self.send_message(&message)
    }

    /// Sends a raw frame, outside any envelope.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    ///
    /// ```
    /// # use channels::prelude::*;
    /// use channels::message::Frame;
    ///
    /// # fn example(conn: Connection) -> Result<(), channels::Error> {
    /// conn.send_frame(Frame::Binary(Bytes::from_static(b"\x00\x01")))?;
    /// # Ok(()) }
    /// ```
    pub fn send_frame(&self, frame: Frame) -> Result<(), Error> {
        self.send_chunk(encoded::raw(&self.0.link, &frame), MessagePolicy::OfConsumer)
    }

    /// Sends a message that answers no request.
    pub(crate) fn send_message(&self, message: &impl Outgoing) -> Result<(), Error> {
        self.send_chunk(self.encoded(&message.to_json(None)?)?, message.outbox()?)
    }

    /// Sends a finished one, which nothing takes the place of and no policy does without: exactly one frame answers a
    /// request.
    pub(crate) fn send_json(&self, json: &ByteString) -> Result<(), Error> {
        self.send_answer(self.encoded(json)?)
    }

    /// The same for the last that a client is told before it is closed: it fits whatever waits.
    pub(crate) fn send_last(&self, json: &ByteString) -> Result<(), Error> {
        self.send_last_chunk(self.encoded(json)?)
    }

    fn encoded(&self, json: &ByteString) -> Result<Chunk, Error> {
        let not_expressed = || Error::internal("the message does not fit the negotiated encoding");
        encoded::frame(&self.0.link, json).ok_or_else(not_expressed)
    }

    /// Ends the connection with [`CloseCode::CLOSED_BY_APPLICATION`] and these words. Returns at
    /// once; what is queued is written first.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// conn.close("you are signed in elsewhere");
    /// # Ok(()) }
    /// ```
    pub fn close(&self, words: impl Into<std::borrow::Cow<'static, str>>) {
        self.close_with(CloseReason::server(CloseCode::CLOSED_BY_APPLICATION, words));
    }

    /// Ends the connection with a code of one's choice. The first reason stays.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// conn.close_with(CloseReason::server(CloseCode::TRY_AGAIN_LATER, "come back later"));
    /// # Ok(()) }
    /// ```
    pub fn close_with(&self, reason: CloseReason) {
        cork::settle();
        self.begin_to_close(reason);
    }

    fn begin_to_close(&self, reason: CloseReason) {
        if self.0.closing.set(Box::new(reason)).is_ok() {
            self.0.outbox.session().wake();
        }
    }

    /// Whether this server wants to end the connection. One waiter at a time.
    pub(crate) fn poll_close_asked(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if let Some(reason) = self.0.closing.get() {
            return Poll::Ready(CloseReason::clone(reason));
        }
        self.0.outbox.session().register(cx.waker());
        // Again, as it may have been asked before anybody listened.
        self.0.closing.get().map_or(Poll::Pending, |reason| Poll::Ready(CloseReason::clone(reason)))
    }

    /// Waits until this server wants to end the connection. Cancel safe; one waiter at a time.
    pub(crate) async fn close_asked(&self) -> CloseReason {
        poll_fn(|cx| self.poll_close_asked(cx)).await
    }

    /// Why this server wants to end the connection, where it does.
    pub(crate) fn closing(&self) -> Option<&CloseReason> {
        self.0.closing.get().map(|reason| &**reason)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing().is_some()
    }

    /// What the application remembers of it under a name.
    pub fn metadata(&self, key: &str) -> Option<Value> {
        self.0.rare.get().and_then(|rare| rare.metadata().get(key).cloned())
    }

    /// Remembers something of it; readable by whoever holds the connection.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone, Debug, Outgoing)] enum ServerMessage { Notice(String) }
    /// # async fn example(conn: Connection) -> Result<(), channels::Error> {
    /// conn.set_metadata("locale", "de");
    /// assert_eq!(conn.metadata("locale"), Some("de".into()));
    /// # Ok(()) }
    /// ```
    pub fn set_metadata(&self, key: impl Into<String>, value: impl Into<Value>) {
        self.rare().metadata().insert(key.into(), value.into());
    }

    /// Messages and bytes so far.
    pub fn counters(&self) -> ConnectionStats {
        let (messages_in, bytes_in) = self.0.received.so_far();
        let (messages_out, bytes_out) = self.0.outbox.sent().so_far();
        ConnectionStats { messages_in, messages_out, bytes_in, bytes_out }
    }

    /// How long nothing has been heard of the client.
    pub fn idle(&self) -> Duration {
        self.since(self.0.last_inbound.load(Ordering::Relaxed))
    }

    /// How long it exists.
    pub fn age(&self) -> Duration {
        self.since(self.0.connected_at)
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0.link
    }

    pub(crate) fn span(&self) -> &Traced {
        &self.0.span
    }

    pub(crate) fn limiters(&self) -> &ConnectionLimiters {
        &self.rare().limiters
    }

    /// What it has sent of what is limited.
    pub(crate) fn meter(&self) -> &Meter {
        &self.rare().meter
    }

    /// The same, where something of that was ever counted.
    pub(crate) fn known_meter(&self) -> Option<&Meter> {
        self.0.rare.get().map(|rare| &rare.meter)
    }

    pub(crate) fn set_state(&self, state: ConnectionState) {
        self.0.state.store(state as u8, Ordering::Release);
    }

    fn lock_groups(&self) -> MutexGuard<'_, Option<SmallSet<Arc<str>>>> {
        self.0.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rare(&self) -> &Rare {
        self.0.rare.get_or_init(Box::default)
    }
}

/// What one connection has sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Data messages from the client.
    pub messages_in: u64,
    /// Data messages written to the client.
    pub messages_out: u64,
    /// Their payloads' bytes.
    pub bytes_in: u64,
    /// Their payloads' bytes.
    pub bytes_out: u64,
}

/// The connection takes nothing any more. It may be another than the one whose handler finds out, so the
/// error closes none: a session sees its own end by itself.
pub(crate) fn ended() -> Error {
    Error::new(ErrorCode::ConnectionError, "The connection has ended.").with_severity(Severity::Low).not_closing()
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.0.id)
            .field("user", &self.0.user)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Connection {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What all who hold a connection share, with the two counts of its `Arc`, as `docs/performance.md` tells.
    const SHARED: usize = 424;

    #[test]
    #[cfg_attr(not(target_pointer_width = "64"), ignore = "the numbers are those of 64 bits")]
    fn what_each_connection_has_is_no_larger_than_it_was() {
        let shared = size_of::<Inner>() + 2 * size_of::<usize>();
        assert!(
            shared <= SHARED,
            "each connection takes {shared} B instead of {SHARED}: what most never have belongs into `Rare`. Where it has to be \
             here, `docs/performance.md` tells the new number.",
        );
    }
}
