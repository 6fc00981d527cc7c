//! What connections of one route, with one state and one subprotocol, share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Connection, OutboxLimits};
use crate::error::Error;
use crate::limits::{Metering, UnfinishedBytes};
use crate::message::{Layout, Serializer};
use crate::stats::Counters;
use crate::timings::{Began, Handlers};

/// The encodings that a layer speaks; the first is JSON. A connection bears its index.
pub(crate) type Serializers = Arc<[Arc<dyn Serializer>]>;

/// The way from a connection to the groups of its layer.
pub(crate) trait Memberships: Send + Sync {
    fn join<'a>(&'a self, connection: &'a Connection, group: &'a str) -> BoxFuture<'a, Result<bool, Error>>;
    fn leave(&self, connection: &Connection, group: &str) -> bool;
    /// The end of a registered connection.
    fn leave_everything(&self, connection: &Connection);
    /// Asks again about all memberships; which of them were ended.
    fn recheck<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Vec<String>>;
}

/// Who says whether a connection may join a group: a hook of the application, which may panic and never end.
pub(crate) trait Gate: Send + Sync {
    fn may_join<'a>(&'a self, connection: &'a Connection, group: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}

/// How a message looks on the wire: connections with the same variant get the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Index into the layer's serializers.
    pub(crate) serializer: u8,
    /// The window that messages are compressed with, in bits; 0 where they are not.
    pub(crate) window: u8,
}

/// One value for all connections that agreed on the same.
pub(crate) struct Link {
    pub(crate) memberships: Arc<dyn Memberships>,
    /// Asked for every join, where the consumer has an `#[authorize]`.
    pub(crate) gate: Option<Arc<dyn Gate>>,
    pub(crate) counters: Arc<Counters>,
    /// How long a client may take to send its first data frame.
    pub(crate) first_frame: Option<Duration>,
    /// `None` where neither frames nor bytes are limited.
    pub(crate) metering: Option<Arc<Metering>>,
    /// What messages that are not complete hold together.
    pub(crate) unfinished: Arc<UnfinishedBytes>,
    /// How long the consumer's handlers take.
    pub(crate) handlers: Handlers,
    pub(crate) serializers: Serializers,
    pub(crate) variant: Variant,
    pub(crate) layout: Layout,
    /// The client named a subprotocol of ours and so understands `$…` messages.
    pub(crate) extras: bool,
    pub(crate) outbox: OutboxLimits,
    /// How large a message is that is worth compressing, in bytes.
    pub(crate) compress_from: usize,
    /// Where a socket that takes nothing now is waited for: a sender may be on any thread.
    pub(crate) runtime: Handle,
    /// What its connections count milliseconds from: a number takes less than a moment does.
    pub(crate) since: Instant,
}

impl Link {
    pub(super) fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX - 1)
    }
}

impl Link {
    pub(crate) fn begin(&self) -> Began {
        self.counters.timings.begin()
    }

    /// A handler has ended; `kind` is a message's name or one of ours, `arrived` when its frame came.
    pub(crate) fn handled(&self, kind: &str, arrived: Option<Instant>, began: Began) {
        self.handlers.handled(&self.counters.timings, kind, arrived, began);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("variant", &self.variant).field("outbox", &self.outbox).finish_non_exhaustive()
    }
}
