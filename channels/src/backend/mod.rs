//! What carries messages between servers, and keeps what they share.
//!
//! A backend knows topics and bytes. It never sees a socket, axum, or a value of serde. Local
//! members are the layer's: the backend hands what arrives to a [`Sink`].

mod any;
mod claim;
mod claims;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod conformance;
mod health;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod server;
mod shares;
mod topic;

use std::future::Future;
use std::sync::Weak;
use std::time::Duration;

#[cfg(feature = "redis")]
pub use self::redis::{Publisher, RedisBackend, Tap};
pub(crate) use any::AnyBackend;
pub use claim::{Claim, Claimed, Settlement};
pub use health::{Event, Events, Health, Interruption, Reports};
pub use memory::MemoryBackend;
pub use server::Server;
pub(crate) use shares::{Owner, Shares};
pub use topic::{Asked, Content, Delivery, Destination, Envelope, Topic};

use crate::config::Rate;
use crate::error::Error;
use crate::id::UserId;

/// Where a backend hands what arrived: the layer of this server.
pub trait Sink: Send + Sync {
    /// The first half of the ids of this server's connections: where [`Topic::Connection`] leads.
    fn incarnation(&self) -> u64;

    /// Gives a message to the local members of a topic and says how many took it. Never blocks.
    /// Concurrent calls for one topic reach all members in one order, which the sink chooses; a
    /// backend that knows the order calls one after the other.
    fn deliver(&self, topic: Topic<'_>, envelope: &Envelope) -> usize;

    /// The same for several messages, in their order; what goes to one connection may be written together. Takes as
    /// many as may be handled at once, at least one, and leaves the others for another call.
    fn deliver_all(&self, messages: &mut dyn Iterator<Item = Delivery>) -> usize {
        messages.map(|message| self.deliver(message.to.as_topic(), &message.envelope)).sum()
    }

    /// How many members a topic has here, now.
    fn local_members(&self, topic: Topic<'_>) -> usize;

    /// There are more connections here than the servers may have together: this many, of this user or of anybody,
    /// must go. It happens where a server was taken for dead, and others took its places.
    fn evict(&self, user: Option<&UserId>, connections: usize);

    /// What this server is called for those who look on: `SERVER_INSTANCE_ID`. Empty where it has no name; others may
    /// have the same.
    fn server_name(&self) -> String {
        String::new()
    }

    /// Whether this server is being drained: it takes no more connections, and goes soon.
    fn is_draining(&self) -> bool {
        false
    }
}

/// What a publish achieved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// How many local connections took the message, where the backend delivered it before it returned.
    pub local: Option<usize>,
    /// How many servers have it, where the backend knows.
    pub servers: Option<usize>,
}

impl Published {
    /// Delivered here, and nowhere else.
    pub const fn locally(members: usize) -> Self {
        Self { local: Some(members), servers: Some(1) }
    }
}

/// How many connections may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one user, over all servers.
    pub per_user: usize,
    /// Of everybody, over all servers.
    pub total: usize,
}

/// Why a connection was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user has as many as one may.
    User,
    /// All places are taken.
    Total,
}

/// What servers count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Living servers.
    pub servers: usize,
    /// Admitted connections.
    pub connections: usize,
    /// Users with at least one.
    pub users: usize,
}

/// The contract of a backend; [`MemoryBackend`] is the reference. `channels::testing::conformance`
/// puts any implementation through it.
///
/// 1. **Order.** Two messages of one topic reach every sink in the same order, whoever published them;
///    what one publisher sends after the last one was taken, arrives after it.
/// 2. **Live.** What is published after [`subscribe`](Self::subscribe) returned is handed to the sink
///    exactly once, as long as the backend reports no interruption. [`Topic::Broadcast`] is always
///    live, and [`Topic::Connection`] on the server that its [incarnation](Sink::incarnation) names.
/// 3. **Bytes.** A payload arrives as it was, whatever its bytes; so does any name of a topic. The rest of the envelope is
///    passed on as well: a command that arrived as a message would be shown to clients.
/// 4. **Limits.** Admitted and not yet released connections never exceed either limit, however many
///    ask at once.
/// 5. **Once.** Of all who claim a key one is told to do it, until its lease is over. What it leaves is what everybody
///    is told who asks within the time.
/// 6. **Topics without members.** A sink may be handed messages of topics that it has left.
///
/// Futures may be dropped at any await. A `subscribe` that was dropped has happened or not, and
/// `unsubscribe` undoes it either way. An `admit` that was dropped is undone by the backend itself, as
/// nobody knows whether there is a place to release.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a backend of a channel layer")]
pub trait Backend: Send + Sync + 'static {
    /// `memory`, `redis`, or the name of one's own.
    fn name(&self) -> &'static str;

    /// Begins to hand what arrives to the sink. Called before anything else, once, and again only where it
    /// failed with an error that is retryable.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR`, retryable where another try may help.
    fn start(&self, sink: Weak<dyn Sink>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Ends it. What is published afterwards may be lost. The layer gives it four seconds, and then drops the future.
    fn stop(&self) -> impl Future<Output = ()> + Send;

    /// Makes a topic live here; again where it already is. Returns when it is.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where it cannot be made live now.
    fn subscribe(&self, topic: Topic<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// The last local member of a topic has gone. Never blocks, never fails and never calls the sink:
    /// where work is left to do, the backend does it later. The layer calls it before anybody can
    /// `subscribe` to the topic again, so the last call about a topic is the one that counts.
    fn unsubscribe(&self, topic: Topic<'_>);

    /// Sends a message to everybody of a topic, on every server.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where it was not taken.
    fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> impl Future<Output = Result<Published, Error>> + Send;

    /// Takes a place for a connection, in one step with the check of both limits.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell; a [`Refusal`] is an answer.
    fn admit(
        &self,
        user: Option<&UserId>,
        limits: Limits,
    ) -> impl Future<Output = Result<Result<(), Refusal>, Error>> + Send;

    /// Gives an admitted connection's place back. Never blocks, as `unsubscribe`.
    fn release(&self, user: Option<&UserId>);

    /// Takes one of a rate for a key that all servers share; the answer to "no" is the time to wait. Each rate of a key
    /// counts by itself.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    fn check_rate(&self, key: &str, rate: Rate) -> impl Future<Output = Result<Result<(), Duration>, Error>> + Send;

    /// Asks to do what must be done once: of all who claim a key, on any server, one is to do it. The claim lasts as
    /// long as the lease, and ends earlier where it is [settled](Self::settle). Again with the same token, the answer
    /// is the same.
    ///
    /// A backend that leaves this out cannot serve handlers with `#[idempotent]`, and fails the conformance suite.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell, or where there is no room to remember one more.
    fn claim(&self, claim: &Claim, lease: Duration) -> impl Future<Output = Result<Claimed, Error>> + Send {
        let _ = (claim, lease);
        async { Err(no_claims()) }
    }

    /// Ends a claim that is `Yours`, and says whether it still was: where the lease is over, somebody else may
    /// have begun, and nothing is changed. Again with the very answer that is kept, it is true: whoever did not hear so the
    /// first time asks again.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where it was not written, or nobody can tell.
    fn settle(&self, claim: &Claim, settlement: Settlement) -> impl Future<Output = Result<bool, Error>> + Send {
        let _ = (claim, settlement);
        async { Err(no_claims()) }
    }

    /// What all servers have together.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    fn counts(&self) -> impl Future<Output = Result<Counts, Error>> + Send;

    /// The servers that live, the one that is asked among them, in any order; two of one name are two. Only for those who
    /// look on. A backend that cannot tell them apart leaves it out: then there are none.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell now.
    fn servers(&self) -> impl Future<Output = Result<Vec<Server>, Error>> + Send {
        async { Ok(Vec::new()) }
    }

    /// The number of members that a group has here is another now. Never blocks, as `unsubscribe`; who wants to
    /// know asks [`Sink::local_members`].
    fn members_changed(&self, _group: &str) {}

    /// How many members a group has on all servers.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    fn members(&self, group: &str) -> impl Future<Output = Result<usize, Error>> + Send;

    /// How many connections a user has on all servers.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    fn connections_of(&self, user: &UserId) -> impl Future<Output = Result<usize, Error>> + Send;

    /// How it is now. [`Reports`] keeps what it needs.
    fn health(&self) -> Health;

    /// What happens to it from now on.
    fn events(&self) -> Events;

    /// Forgets what is not needed any more; called by the layer every few seconds.
    fn sweep(&self) {}
}

fn no_claims() -> Error {
    Error::backend("This backend remembers no answers.").with_retryable(false)
}
