//! What one connection has sent where frames and bytes are limited, and what it was told.
//!
//! The bytes of a message count while it arrives, and what becomes of it is the same as if it had come at once: what has come
//! of it before is no reason to refuse the rest, and where something is refused, all of it is, once. What is given back then
//! is what was taken, as far as it is not paid for: hence a meter knows that of each scope, and not only how much has come.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::metering::{Arrived, Exceeded, Excess, Scope, Taken, Verdict, What};
use super::untold::Untold;
use crate::config::{LimitName, Rate};

/// A connection whose refused frames, without a pause of a whole period, come to more than so many bursts is closed.
const BURSTS_TO_CLOSE: u64 = 10;
/// Parts of a burst are counted in thousandths.
const THOUSAND: u64 = 1000;

/// Touched by its session's task, and by the sweep, which tells what is left to be told.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(super) own: Taken,
    /// Where it has no user.
    pub(super) as_user: Taken,
    message: Arriving,
    refused: Refused,
}

/// The message that arrives. Between two there is nothing of it.
#[derive(Debug, Default)]
struct Arriving {
    /// How many of its bytes have come.
    bytes: AtomicU64,
    /// When those that were taken are paid for, at the connection, the user and the address, as if nobody else had sent any.
    paid_at: [AtomicU64; 3],
    is_refused: AtomicBool,
    /// How many of its bytes were refused.
    refused_bytes: AtomicU64,
    /// A bit for each limit that it was found to exceed.
    exceeds: AtomicU32,
    /// The limit of bytes that it was refused for: its place among all, and 1.
    refused_for: AtomicU32,
}

/// What was refused of one connection.
#[derive(Debug, Default)]
struct Refused {
    /// When the last one was, and 1; 0 before the first.
    last_at: AtomicU64,
    /// In thousandths of a burst, without a pause.
    bursts: AtomicU64,
    /// How many its client was not told of: it is once a second at most.
    untold: Untold,
    /// The limit of the last one: its place among all.
    limit: AtomicU32,
    /// When the next would be taken.
    free_at: AtomicU64,
}

/// What is new of what has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) what: What,
    pub(super) frames: u32,
    pub(super) bytes: u64,
    /// Bytes of the same message that came before.
    pub(super) before: u64,
}

impl Came {
    /// Whether it is of the message that arrives.
    pub(super) fn is_of_message(self) -> bool {
        self.what != What::Control
    }
}

impl Meter {
    /// Whether bytes were counted of a message that has not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.message.bytes.load(Ordering::Relaxed) > 0
    }

    /// Notes how far the message has come.
    pub(super) fn comes(&self, arrived: Arrived) -> Came {
        let Arrived { what, frames, bytes, .. } = arrived;
        let bytes = bytes as u64;
        if what == What::Control {
            return Came { what, frames, bytes, before: 0 };
        }
        let before = self.message.bytes.load(Ordering::Relaxed);
        // Compressed, it may have had more of them than it has now.
        self.message.bytes.store(bytes.max(before), Ordering::Relaxed);
        Came { what, frames, bytes: bytes.saturating_sub(before), before }
    }

    /// Whether that is to be counted: a message exceeds a limit once, in however many parts it comes.
    pub(super) fn is_first_excess(&self, limit: LimitName, what: What) -> bool {
        let bit = 1 << limit.index();
        what == What::Control || self.message.exceeds.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Whether the message that arrives was found to exceed that limit.
    pub(super) fn has_exceeded(&self, limit: LimitName) -> bool {
        self.message.exceeds.load(Ordering::Relaxed) & (1 << limit.index()) != 0
    }

    /// When its bytes are paid for that were taken of a scope.
    pub(super) fn paid_at(&self, scope: Scope) -> &AtomicU64 {
        let [connection, user, address] = &self.message.paid_at;
        match scope {
            Scope::Connection => connection,
            Scope::User => user,
            Scope::Address => address,
        }
    }

    /// Whether something was refused of the message that arrives.
    pub(super) fn is_refused(&self) -> bool {
        self.message.is_refused.load(Ordering::Relaxed)
    }

    /// The limit of bytes that the message was refused for which arrives.
    pub(super) fn refused_for_bytes(&self) -> Option<LimitName> {
        let place = self.message.refused_for.load(Ordering::Relaxed).checked_sub(1)?;
        LimitName::ALL.get(place as usize).copied()
    }

    /// Forgets the message, and says whether something of it was refused.
    pub(super) fn end_message(&self) -> bool {
        let Arriving { bytes, paid_at, is_refused, refused_bytes, exceeds, refused_for } = &self.message;
        bytes.store(0, Ordering::Relaxed);
        paid_at.iter().for_each(|paid_at| paid_at.store(0, Ordering::Relaxed));
        refused_bytes.store(0, Ordering::Relaxed);
        exceeds.store(0, Ordering::Relaxed);
        refused_for.store(0, Ordering::Relaxed);
        is_refused.load(Ordering::Relaxed) && is_refused.swap(false, Ordering::Relaxed)
    }

    /// What becomes of what exceeds a limit.
    pub(super) fn refused(&self, came: Came, exceeded: &Exceeded, now: u64) -> Verdict {
        let weight = self.weight(came.what, exceeded);
        let is_told = came.what != What::Control && self.refuse_message(exceeded);
        if self.refused.goes_on(exceeded.rate, weight, now) {
            Verdict::Flooded(self.refused.tell_last(exceeded, is_told))
        } else if is_told {
            Verdict::Untold
        } else {
            self.refused.tell(exceeded, now)
        }
    }

    /// What was refused after the client was told, where it may be told of that now.
    pub(super) fn rest(&self, now: u64) -> Option<Excess> {
        self.refused.rest(now)
    }

    /// Whether it was refused already.
    fn refuse_message(&self, exceeded: &Exceeded) -> bool {
        if exceeded.is_of_bytes {
            self.message.refused_for.store(exceeded.limit.index() as u32 + 1, Ordering::Relaxed);
        }
        self.message.is_refused.swap(true, Ordering::Relaxed)
    }

    /// How much that is, in thousandths of a burst. However large it is, one message is told of before anybody is closed: its
    /// bytes are one burst at most.
    fn weight(&self, what: What, exceeded: &Exceeded) -> u64 {
        let burst = u64::from(exceeded.rate.count().get());
        let weight = |amount: u64| (amount.saturating_mul(THOUSAND) / burst).max(1);
        match what {
            _ if !exceeded.is_of_bytes => weight(exceeded.amount),
            What::Control => weight(exceeded.amount.min(burst)),
            What::Message | What::Part => {
                let before = self.message.refused_bytes.load(Ordering::Relaxed);
                let then = before.saturating_add(exceeded.amount).min(burst);
                self.message.refused_bytes.store(then, Ordering::Relaxed);
                weight(then) - if before == 0 { 0 } else { weight(before) }
            }
        }
    }
}

impl Refused {
    /// Whether the client goes on and on.
    fn goes_on(&self, rate: Rate, weight: u64, now: u64) -> bool {
        let pause = rate.per().as_nanos();
        let last_at = self.last_at.swap(now + 1, Ordering::Relaxed);
        let is_after_a_pause = last_at == 0 || u128::from((now + 1).saturating_sub(last_at)) >= pause;
        let before = if is_after_a_pause { 0 } else { self.bursts.load(Ordering::Relaxed) };
        self.bursts.store(before + weight, Ordering::Relaxed);
        before + weight > BURSTS_TO_CLOSE * THOUSAND
    }

    fn tell(&self, exceeded: &Exceeded, now: u64) -> Verdict {
        let free_at = now.saturating_add(u64::try_from(exceeded.wait.as_nanos()).unwrap_or(u64::MAX));
        self.free_at.store(free_at, Ordering::Relaxed);
        self.limit.store(exceeded.limit.index() as u32, Ordering::Relaxed);
        match self.untold.add(now) {
            Some(refused) => Verdict::Told(Excess { limit: exceeded.limit, wait: exceeded.wait, refused }),
            None => Verdict::Untold,
        }
    }

    /// The last that the client is told, however soon after the one before: all that it was not, and to stay away until it has
    /// its whole allowance again.
    fn tell_last(&self, exceeded: &Exceeded, is_told: bool) -> Excess {
        let untold = self.untold.take_all();
        let (limit, wait) = (exceeded.limit, exceeded.wait.max(exceeded.rate.per()));
        Excess { limit, wait, refused: untold + u64::from(!is_told) }
    }

    fn rest(&self, now: u64) -> Option<Excess> {
        if self.untold.is_empty() {
            return None;
        }
        let limit = *LimitName::ALL.get(self.limit.load(Ordering::Relaxed) as usize)?;
        let wait = Duration::from_nanos(self.free_at.load(Ordering::Relaxed).saturating_sub(now));
        self.untold.rest(now).map(|refused| Excess { limit, wait, refused })
    }
}
