//! Counters of one server.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::close::{CloseCode, CloseReason, ClosedBy};
use crate::config::LimitName;
use crate::error::{Category, ErrorCode};
use crate::timings::Timings;

/// What has been counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections_total: AtomicU64,
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    dropped: AtomicU64,
    conflated: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    refused_for_origin: AtomicU64,
    refused_for_user_limit: AtomicU64,
    refused_for_total_limit: AtomicU64,
    refused_for_drain: AtomicU64,
    refused_for_backend: AtomicU64,
    refused_joins: AtomicU64,
    revoked: AtomicU64,
    lost: AtomicU64,
    timed_out: AtomicU64,
    too_slow: AtomicU64,
    protocol_errors: AtomicU64,
    flooded: AtomicU64,
    refused_by: [AtomicU64; LimitName::ALL.len()],
    observed: [AtomicU64; LimitName::ALL.len()],
    errors: [AtomicU64; ErrorCode::ALL.len()],
    /// By who closed, and the code; the last place is for codes without a name.
    closed: [[AtomicU64; CloseCode::NAMED.len() + 1]; ClosedBy::ALL.len()],
    pub(crate) timings: Timings,
}

/// The place of a code among those that are counted.
fn place(code: CloseCode) -> usize {
    CloseCode::NAMED.iter().position(|named| *named == code).unwrap_or(CloseCode::NAMED.len())
}

impl Counters {
    pub(crate) fn connected(&self) {
        self.connections_total.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.messages_in.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, messages: usize, bytes: usize) {
        self.messages_out.fetch_add(messages as u64, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_dropped(&self, messages: usize) {
        self.dropped.fetch_add(messages as u64, Ordering::Relaxed);
    }

    pub(crate) fn conflated(&self) {
        self.conflated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    /// Counted after its reason, and read before it: so nothing is ever seen as refused for none.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Release);
    }

    /// It is refused too.
    pub(crate) fn refused_for_user_limit(&self) {
        self.refused_for_user_limit.fetch_add(1, Ordering::Relaxed);
        self.refused();
    }

    /// It is refused too.
    pub(crate) fn refused_for_total_limit(&self) {
        self.refused_for_total_limit.fetch_add(1, Ordering::Relaxed);
        self.refused();
    }

    /// It is refused too.
    pub(crate) fn refused_for_drain(&self) {
        self.refused_for_drain.fetch_add(1, Ordering::Relaxed);
        self.refused();
    }

    /// It is refused too.
    pub(crate) fn refused_for_backend(&self) {
        self.refused_for_backend.fetch_add(1, Ordering::Relaxed);
        self.refused();
    }

    /// It is refused too.
    pub(crate) fn refused_for_origin(&self) {
        self.refused_for_origin.fetch_add(1, Ordering::Relaxed);
        self.refused();
    }

    /// A limit refused something, or would have.
    pub(crate) fn exceeded(&self, limit: LimitName, is_observed: bool) {
        let counters = if is_observed { &self.observed } else { &self.refused_by };
        counters[limit.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn flooded(&self) {
        self.flooded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused_join(&self) {
        self.refused_joins.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn revoked(&self) {
        self.revoked.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts how a connection ended.
    pub(crate) fn ended(&self, reason: &CloseReason) {
        self.closed[reason.closed_by() as usize][place(reason.code())].fetch_add(1, Ordering::Relaxed);
        let counter = match (reason.closed_by(), reason.code()) {
            (ClosedBy::Lost, _) => &self.lost,
            (ClosedBy::Server, CloseCode::HEARTBEAT_LOST) => &self.timed_out,
            (ClosedBy::Server, CloseCode::OUTBOX_FULL) => &self.too_slow,
            (ClosedBy::Server, CloseCode::PROTOCOL_ERROR | CloseCode::INVALID_PAYLOAD | CloseCode::MESSAGE_TOO_BIG) => {
                &self.protocol_errors
            }
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, code: ErrorCode) {
        self.errors[code.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, connections: usize, users: usize, groups: usize) -> Stats {
        let refused = self.refused.load(Ordering::Acquire);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            connections,
            users,
            groups,
            // What the layer knows.
            unfinished_bytes: 0,
            connections_total: read(&self.connections_total),
            messages_in: read(&self.messages_in),
            messages_out: read(&self.messages_out),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            dropped: read(&self.dropped),
            conflated: read(&self.conflated),
            expired: read(&self.expired),
            refused,
            refused_for_origin: read(&self.refused_for_origin),
            refused_for_user_limit: read(&self.refused_for_user_limit),
            refused_for_total_limit: read(&self.refused_for_total_limit),
            refused_for_drain: read(&self.refused_for_drain),
            refused_for_backend: read(&self.refused_for_backend),
            refused_joins: read(&self.refused_joins),
            revoked: read(&self.revoked),
            lost: read(&self.lost),
            timed_out: read(&self.timed_out),
            too_slow: read(&self.too_slow),
            protocol_errors: read(&self.protocol_errors),
            flooded: read(&self.flooded),
            refused_by_limit: std::array::from_fn(|index| read(&self.refused_by[index])),
            observed_by_limit: std::array::from_fn(|index| read(&self.observed[index])),
            errors_by_code: std::array::from_fn(|index| read(&self.errors[index])),
            closed_by_code: std::array::from_fn(|by| std::array::from_fn(|at| read(&self.closed[by][at]))),
        }
    }
}

/// A server's numbers at one moment, each read on its own. What is counted, is counted since the start.
///
/// ```
/// # use channels::{Category, ChannelLayer};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let stats = ChannelLayer::memory().stats();
/// assert_eq!(stats.connections, 0);
/// assert_eq!(stats.errors(Category::Validation), 0);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections now.
    pub connections: usize,
    /// Users with a connection now.
    pub users: usize,
    /// Groups with a member now.
    pub groups: usize,
    /// The memory of messages that have begun to arrive and are not complete, in bytes: up to twice what has come of them.
    /// One that came whole in one read never is among them.
    pub unfinished_bytes: usize,
    /// Connections that were ever made.
    pub connections_total: u64,
    /// Data messages received.
    pub messages_in: u64,
    /// Data messages written: of what an outbox took (`Settled::queued`), all that is not in `dropped` or `conflated` later.
    pub messages_out: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes written.
    pub bytes_out: u64,
    /// Messages that a connection did not get: its outbox was full, or it ended while they waited. What is sent to a group
    /// when a member has come to its end, such as the last word of its own `#[disconnect]`, is not among them.
    pub dropped: u64,
    /// Messages whose place in an outbox a later one took, about the same: `#[channels(outbox = "latest")]`.
    pub conflated: u64,
    /// Received messages whose time to live had passed.
    pub expired: u64,
    /// Connections refused before the upgrade with 403, 429, 500 or 503. What `#[accept]` refuses is the application's to count, and
    /// a panic of it is among the errors; what asks for no WebSocket (400, 405, 426) is no connection.
    pub refused: u64,
    /// Of these, pages of another origin than `WS_ALLOWED_ORIGINS` allows.
    pub refused_for_origin: u64,
    /// Of these, users who had `MAX_CONNECTIONS_PER_CLIENT`.
    pub refused_for_user_limit: u64,
    /// Of these, those that came when there were `MAX_TOTAL_CONNECTIONS`.
    pub refused_for_total_limit: u64,
    /// Of these, those that came after the drain began.
    pub refused_for_drain: u64,
    /// Of these, those of which the backend could not tell whether there is room.
    pub refused_for_backend: u64,
    /// Joins that `#[authorize]` or the hook of the layer did not allow.
    pub refused_joins: u64,
    /// Memberships that were ended because `#[authorize]` or the hook of the layer did not allow them any more.
    pub revoked: u64,
    /// Connections that ended without a close frame of the client: its network or process went.
    pub lost: u64,
    /// Connections closed with 4408: no sign of life, or a message, or the first one, that took too long to arrive.
    pub timed_out: u64,
    /// Connections closed with 4413: the client did not read.
    pub too_slow: u64,
    /// Connections closed with 1002, 1007 or 1009: the client broke the protocol.
    pub protocol_errors: u64,
    /// Connections closed with 1013: they went on sending after much of it had been refused.
    pub flooded: u64,
    pub(crate) refused_by_limit: [u64; LimitName::ALL.len()],
    pub(crate) observed_by_limit: [u64; LimitName::ALL.len()],
    pub(crate) errors_by_code: [u64; ErrorCode::ALL.len()],
    pub(crate) closed_by_code: [[u64; CloseCode::NAMED.len() + 1]; ClosedBy::ALL.len()],
}

impl Stats {
    /// Errors of one category.
    pub fn errors(&self, category: Category) -> u64 {
        let of_category = ErrorCode::ALL.iter().filter(|code| code.category() == category);
        of_category.map(|code| self.errors_of(*code)).sum()
    }

    /// Errors of one code.
    pub fn errors_of(&self, code: ErrorCode) -> u64 {
        self.errors_by_code[code.index()]
    }

    /// Connections that ended with this code, closed by them. Codes without a name here are counted together: any of
    /// them stands for all.
    ///
    /// ```
    /// # use channels::{ChannelLayer, CloseCode, ClosedBy};
    /// # let layer = ChannelLayer::memory();
    /// assert_eq!(layer.stats().closed(ClosedBy::Client, CloseCode::GOING_AWAY), 0);
    /// ```
    pub fn closed(&self, by: ClosedBy, code: CloseCode) -> u64 {
        self.closed_by_code[by as usize][place(code)]
    }

    /// What a limit refused: connections, frames, joins, messages.
    ///
    /// ```
    /// # use channels::{ChannelLayer, LimitName};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let stats = ChannelLayer::memory().stats();
    /// for limit in LimitName::ALL {
    ///     println!("{limit}: {} refused, {} observed", stats.refused_by(limit), stats.observed(limit));
    /// }
    /// # }
    /// ```
    pub fn refused_by(&self, limit: LimitName) -> u64 {
        self.refused_by_limit[limit.index()]
    }

    /// What a limit would have refused, had it not been in `WS_OBSERVE_ONLY`.
    pub fn observed(&self, limit: LimitName) -> u64 {
        self.observed_by_limit[limit.index()]
    }

    /// Errors of all categories.
    pub fn errors_total(&self) -> u64 {
        self.errors_by_code.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_refused_has_its_reason_at_any_moment() {
        const TIMES: u64 = 300_000;
        let counters = Counters::default();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..TIMES).for_each(|_| counters.refused_for_drain()));
            loop {
                let stats = counters.snapshot(0, 0, 0);
                assert!(stats.refused <= stats.refused_for_drain, "{stats:?}");
                if stats.refused == TIMES {
                    break;
                }
            }
        });
    }
}
