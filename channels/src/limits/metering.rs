//! Frames and bytes, by connection, user and address: counted before anybody looks at what is in them.
//!
//! By user and by address they are counted on each server for itself. A question to Redis for each frame would cost more
//! than the frame.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::meter::Came;
use super::{Address, Meter, Verdicts};
use crate::config::{Config, LimitName, Rate};
use crate::id::{ConnectionId, UserId};
use crate::rate_limit::{Bucket, Clock, Piece};

/// The rates of one scope, with the names of their limits.
#[derive(Clone, Copy, Debug)]
struct Rates {
    frames: Option<Rate>,
    bytes: Option<Rate>,
    names: [LimitName; 2],
}

/// What was taken of them.
#[derive(Debug, Default)]
pub(super) struct Taken {
    frames: Bucket,
    bytes: Bucket,
}

/// The limits of all connections of a layer.
#[derive(Debug)]
pub(crate) struct Metering {
    connection: Rates,
    user: Rates,
    address: Rates,
    users: DashMap<UserId, Taken>,
    addresses: DashMap<Address, Taken>,
    /// The largest message, where what is larger is only observed.
    max_message_size: Option<usize>,
    verdicts: Arc<Verdicts>,
    clock: Clock,
}

/// Whose frame it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'a> {
    pub(crate) connection: ConnectionId,
    pub(crate) user: Option<&'a UserId>,
    pub(crate) address: Option<Address>,
}

/// What has come since the last time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) what: What,
    /// Fragments, and the frame that ends them.
    pub(crate) frames: u32,
    /// All that have come of a message so far, whether or not they were counted already.
    pub(crate) bytes: usize,
    pub(crate) at: Instant,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A whole message, or what was missing of it.
    Message,
    /// More of one that is not complete.
    Part,
    /// A ping or pong.
    Control,
}

/// What becomes of it.
#[derive(Debug)]
pub(crate) enum Verdict {
    Taken,
    /// Refused, and the client is told.
    Told(Excess),
    /// Refused; the client was told of others a moment ago.
    Untold,
    /// The client goes on and on.
    Flooded,
}

/// What a client is told of frames that were refused.
#[derive(Debug)]
pub(crate) struct Excess {
    pub(crate) limit: LimitName,
    pub(crate) wait: Duration,
    /// How many were refused since it was last told.
    pub(crate) refused: u64,
}

impl Metering {
    /// `None` where nothing of it is on: then a frame costs no more than to see that.
    pub(crate) fn new(config: &Config, verdicts: &Arc<Verdicts>) -> Option<Arc<Self>> {
        use LimitName::{
            BytesPerAddress, BytesPerConnection, BytesPerUser, FramesPerAddress, FramesPerConnection, FramesPerUser,
        };
        let rates = |frames, bytes, names| Rates { frames, bytes, names };
        let own = [FramesPerConnection, BytesPerConnection];
        let connection = rates(config.frames_per_connection(), config.bytes_per_connection(), own);
        let user = rates(config.frames_per_user(), config.bytes_per_user(), [FramesPerUser, BytesPerUser]);
        let at_address = [FramesPerAddress, BytesPerAddress];
        let address = rates(config.frames_per_address(), config.bytes_per_address(), at_address);
        let max_message_size = verdicts.observes(LimitName::MessageSize).then(|| config.max_message_size());
        let is_on = max_message_size.is_some() || [connection, user, address].iter().any(Rates::is_on);
        is_on.then(|| {
            let (users, addresses) = (DashMap::default(), DashMap::default());
            let (verdicts, clock) = (Arc::clone(verdicts), Clock::start());
            Arc::new(Self { connection, user, address, users, addresses, max_message_size, verdicts, clock })
        })
    }

    /// Counts what has come. A message of which something is refused is refused as a whole, when it ends.
    pub(crate) fn take(&self, whose: Whose<'_>, meter: &Meter, arrived: Arrived) -> Verdict {
        let is_message = arrived.what == What::Message;
        if is_message && self.max_message_size.is_some_and(|max| arrived.bytes > max) {
            self.verdicts.refuses(LimitName::MessageSize, whose.connection);
        }
        let came = meter.comes(arrived);
        let verdict = match self.first_exceeded(whose, meter, came, arrived.at) {
            None => Verdict::Taken,
            Some(exceeded) => {
                if exceeded.is_of_bytes && meter.refused_for_bytes().is_none() {
                    self.give_back(whose, meter, came, exceeded.limit);
                }
                meter.refused(came, &exceeded, self.clock.nanos(arrived.at))
            }
        };
        if matches!(verdict, Verdict::Flooded) {
            self.verdicts.flooded();
        }
        // The client was told when the first of it was refused.
        let was_refused = is_message && meter.end_message();
        if was_refused && matches!(verdict, Verdict::Taken) { Verdict::Untold } else { verdict }
    }

    /// Counts what has come and cannot be refused any more, as its connection is over; what exceeds a limit is counted as such.
    pub(crate) fn charge(&self, whose: Whose<'_>, meter: &Meter, arrived: Arrived) {
        self.first_exceeded(whose, meter, meter.comes(arrived), arrived.at);
    }

    fn first_exceeded(&self, whose: Whose<'_>, meter: &Meter, came: Came, at: Instant) -> Option<Exceeded> {
        let now = self.clock.nanos(at);
        self.each(whose, meter, |rates, taken| {
            let [frames, bytes] = rates.asks(taken, came);
            let asks = frames.into_iter().chain(bytes);
            // What has no bytes, or no frame, exceeds none, whatever is still to be paid for.
            asks.filter(|ask| ask.piece.amount > 0).find_map(|ask| self.exceeded(whose, meter, came, &ask, now))
        })
    }

    fn exceeded(&self, whose: Whose<'_>, meter: &Meter, came: Came, ask: &Ask<'_>, now: u64) -> Option<Exceeded> {
        let Ask { limit, rate, bucket, piece, is_of_bytes } = *ask;
        let exceeded = |amount, wait| Exceeded { limit, rate, amount, is_of_bytes, wait };
        if is_of_bytes
            && came.what != What::Control
            && let Some(by) = meter.refused_for_bytes()
        {
            // What else comes of a message that is refused is neither paid for nor asked about again.
            return (by == limit).then(|| exceeded(piece.amount, Duration::ZERO));
        }
        let wait = bucket.take(rate, piece, now).err()?;
        let is_refused = if meter.is_first_excess(limit, came.what) {
            self.verdicts.refuses(limit, whose.connection)
        } else {
            !self.verdicts.observes(limit)
        };
        is_refused.then(|| exceeded(piece.before + piece.amount, wait))
    }

    /// A refusal costs no bytes: else a client that sends more than it may would never get anything through.
    fn give_back(&self, whose: Whose<'_>, meter: &Meter, came: Came, limit: LimitName) {
        let mut took_all = true;
        self.each(whose, meter, |rates, taken| {
            // From the one on that refuses, only what came before was taken.
            took_all &= rates.names[1] != limit;
            let bytes = came.before + if took_all { came.bytes } else { 0 };
            if let Some(rate) = rates.bytes.filter(|_| bytes > 0) {
                taken.bytes.give_back(rate, bytes);
            }
            None::<()>
        });
    }

    /// Does something for each scope that has a limit, until there is something to say of one.
    fn each<T>(&self, whose: Whose<'_>, meter: &Meter, mut act: impl FnMut(Rates, &Taken) -> Option<T>) -> Option<T> {
        if self.connection.is_on()
            && let Some(found) = act(self.connection, &meter.own)
        {
            return Some(found);
        }
        if self.user.is_on() {
            let found = match whose.user {
                Some(user) => with(&self.users, user, |taken| act(self.user, taken)),
                None => act(self.user, &meter.as_user),
            };
            if found.is_some() {
                return found;
            }
        }
        let address = whose.address.filter(|_| self.address.is_on())?;
        with(&self.addresses, &address, |taken| act(self.address, taken))
    }

    /// Forgets whoever has their whole allowance again; called by the layer's sweep.
    pub(crate) fn sweep(&self) {
        let now = self.clock.nanos(Instant::now());
        self.users.retain(|_, taken| !taken.is_full(now));
        self.addresses.retain(|_, taken| !taken.is_full(now));
    }

    /// How many users and addresses are remembered.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.users.len() + self.addresses.len()
    }
}

/// One limit, and what is asked of it.
#[derive(Clone, Copy)]
struct Ask<'a> {
    limit: LimitName,
    rate: Rate,
    bucket: &'a Bucket,
    piece: Piece,
    is_of_bytes: bool,
}

/// A limit that was exceeded.
pub(super) struct Exceeded {
    pub(super) limit: LimitName,
    pub(super) rate: Rate,
    /// What was refused now.
    pub(super) amount: u64,
    pub(super) is_of_bytes: bool,
    pub(super) wait: Duration,
}

impl Rates {
    fn is_on(&self) -> bool {
        self.frames.is_some() || self.bytes.is_some()
    }

    /// What is asked for what has come: frames first.
    fn asks(self, taken: &Taken, came: Came) -> [Option<Ask<'_>>; 2] {
        let Self { frames, bytes, names: [of_frames, of_bytes] } = self;
        let piece = Piece { amount: came.frames.into(), before: 0, is_last: true };
        let ask = |rate| Ask { limit: of_frames, rate, bucket: &taken.frames, piece, is_of_bytes: false };
        let frames = frames.map(ask);
        let piece = Piece { amount: came.bytes, before: came.before, is_last: came.what != What::Part };
        let ask = |rate| Ask { limit: of_bytes, rate, bucket: &taken.bytes, piece, is_of_bytes: true };
        [frames, bytes.map(ask)]
    }
}

impl Taken {
    fn is_full(&self, now: u64) -> bool {
        self.frames.is_full(now) && self.bytes.is_full(now)
    }
}

/// Nothing is allocated for somebody who is known.
fn with<K: Clone + Eq + Hash, T>(table: &DashMap<K, Taken>, key: &K, act: impl FnOnce(&Taken) -> T) -> T {
    if let Some(taken) = table.get(key) {
        return act(&taken);
    }
    let taken = table.entry(key.clone()).or_default().downgrade();
    act(&taken)
}

#[cfg(test)]
mod tests;
