//! Frames and bytes, by connection, user and address: counted before anybody looks at what is in them.
//!
//! By user and by address they are counted on each server for itself. A question to Redis for each frame would cost more
//! than the frame.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::meter::Came;
use super::{Address, Meter, Verdicts};
use crate::close::CloseCode;
use crate::config::{Config, LimitName, Rate};
use crate::error::{Error, ErrorCode};
use crate::id::{ConnectionId, UserId};
use crate::rate_limit::{Bucket, Clock, Piece};

/// The rates of one scope, with the names of their limits.
#[derive(Clone, Copy, Debug)]
struct Rates {
    scope: Scope,
    frames: Option<Rate>,
    bytes: Option<Rate>,
    names: [LimitName; 2],
}

/// Over what is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    Connection,
    User,
    Address,
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
    /// The client goes on and on: the last that it is told.
    Flooded(Excess),
}

impl Verdict {
    /// Of fragments, which have not ended a connection, and what stands between them. Nobody is told twice at a time, and of all
    /// that was refused.
    pub(crate) fn beside(self, between: Self) -> Self {
        match (between, self) {
            (Self::Taken | Self::Untold, fragments) => fragments,
            (Self::Flooded(last), Self::Told(before)) => {
                Self::Flooded(Excess { refused: last.refused.saturating_add(before.refused), ..last })
            }
            (between, _) => between,
        }
    }
}

/// What a client is told of frames that were refused.
#[derive(Debug)]
pub(crate) struct Excess {
    pub(crate) limit: LimitName,
    pub(crate) wait: Duration,
    /// How many were refused since it was last told.
    pub(crate) refused: u64,
}

impl From<Excess> for Error {
    fn from(excess: Excess) -> Self {
        excess.told("Too much at once. Please wait a moment.")
    }
}

impl Excess {
    /// What a client is told before it is closed.
    pub(crate) fn last(self) -> Error {
        self.told("Too much was sent after it was refused.").closing(CloseCode::TRY_AGAIN_LATER)
    }

    fn told(self, words: &'static str) -> Error {
        Error::new(ErrorCode::RateLimitExceeded, words)
            .with_retry_after(self.wait)
            .with_detail("limit", self.limit.as_str())
            .with_detail("refused", self.refused.to_string())
    }
}

impl Metering {
    /// `None` where nothing of it is on: then a frame costs no more than to see that.
    pub(crate) fn new(config: &Config, verdicts: &Arc<Verdicts>) -> Option<Arc<Self>> {
        use LimitName::{
            BytesPerAddress, BytesPerConnection, BytesPerUser, FramesPerAddress, FramesPerConnection, FramesPerUser,
        };
        let (frames, bytes) = (config.frames_per_connection(), config.bytes_per_connection());
        let names = [FramesPerConnection, BytesPerConnection];
        let connection = Rates { scope: Scope::Connection, frames, bytes, names };
        let (frames, bytes) = (config.frames_per_user(), config.bytes_per_user());
        let user = Rates { scope: Scope::User, frames, bytes, names: [FramesPerUser, BytesPerUser] };
        let (frames, bytes) = (config.frames_per_address(), config.bytes_per_address());
        let address = Rates { scope: Scope::Address, frames, bytes, names: [FramesPerAddress, BytesPerAddress] };
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
        let (came, now) = (meter.comes(arrived), self.clock.nanos(arrived.at));
        let exceeded = self.first_exceeded(whose, meter, came, now).or_else(|| self.dropped(meter, came));
        let verdict = match exceeded {
            None => Verdict::Taken,
            Some(exceeded) => {
                if came.is_of_message() && !meter.is_refused() {
                    self.give_back(whose, meter, now);
                }
                meter.refused(came, &exceeded, now)
            }
        };
        if matches!(verdict, Verdict::Flooded(_)) {
            self.verdicts.flooded();
        }
        // The client was told when the first of it was refused.
        let was_refused = is_message && meter.end_message();
        if was_refused && matches!(verdict, Verdict::Taken) { Verdict::Untold } else { verdict }
    }

    /// Counts what has come and cannot be refused any more, as its connection is over; what exceeds a limit is counted as such.
    pub(crate) fn charge(&self, whose: Whose<'_>, meter: &Meter, arrived: Arrived) {
        self.first_exceeded(whose, meter, meter.comes(arrived), self.clock.nanos(arrived.at));
    }

    fn first_exceeded(&self, whose: Whose<'_>, meter: &Meter, came: Came, now: u64) -> Option<Exceeded> {
        // What else comes of a message that is refused, for whatever limit, is neither paid for nor asked about; its frames are.
        let asks_for_bytes = !came.is_of_message() || !meter.is_refused();
        self.each(whose, meter, |rates, taken| {
            let [frames, bytes] = rates.asks(taken, meter, came);
            let asks = frames.into_iter().chain(bytes.filter(|_| asks_for_bytes));
            // What has no bytes, or no frame, exceeds none, whatever is still to be paid for.
            asks.filter(|ask| ask.piece.amount > 0).find_map(|ask| self.exceeded(whose, meter, came, &ask, now))
        })
    }

    fn exceeded(&self, whose: Whose<'_>, meter: &Meter, came: Came, ask: &Ask<'_>, now: u64) -> Option<Exceeded> {
        let Ask { limit, rate, bucket, piece, bytes_of } = *ask;
        let bytes_of_message = bytes_of.filter(|_| came.is_of_message());
        // Nor is it where a limit only observes, once the message exceeds it: what is not taken is not its own.
        if bytes_of_message.is_some() && meter.has_exceeded(limit) {
            return None;
        }
        let wait = match bucket.take(rate, piece, now) {
            Ok(paid_at) => {
                if let Some(scope) = bytes_of_message {
                    meter.paid_at(scope).store(paid_at, Ordering::Relaxed);
                }
                return None;
            }
            Err(wait) => wait,
        };
        let is_refused = if meter.is_first_excess(limit, came.what) {
            self.verdicts.refuses(limit, whose.connection)
        } else {
            !self.verdicts.observes(limit)
        };
        let amount = piece.before + piece.amount;
        is_refused.then(|| Exceeded { limit, rate, amount, is_of_bytes: bytes_of.is_some(), wait })
    }

    /// Bytes that come of a message which was refused for its bytes: so are they.
    fn dropped(&self, meter: &Meter, came: Came) -> Option<Exceeded> {
        let limit = meter.refused_for_bytes().filter(|_| came.is_of_message() && came.bytes > 0)?;
        let scopes = [self.connection, self.user, self.address];
        let rate = scopes.into_iter().find(|rates| rates.names[1] == limit)?.bytes?;
        Some(Exceeded { limit, rate, amount: came.bytes, is_of_bytes: true, wait: Duration::ZERO })
    }

    /// A refusal costs no bytes but those that time has paid for: else a client that sends more than it may would never get
    /// anything through.
    fn give_back(&self, whose: Whose<'_>, meter: &Meter, now: u64) {
        self.each(whose, meter, |rates, taken| {
            taken.bytes.give_back(meter.paid_at(rates.scope).load(Ordering::Relaxed), now);
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

    /// What was refused after the client was told: of a burst that is over nobody else would tell it.
    pub(crate) fn rest(&self, meter: &Meter) -> Option<Excess> {
        meter.rest(self.clock.nanos(Instant::now()))
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
    /// Whose, where it is asked for bytes.
    bytes_of: Option<Scope>,
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
    fn asks<'a>(self, taken: &'a Taken, meter: &Meter, came: Came) -> [Option<Ask<'a>>; 2] {
        let Self { scope, frames, bytes, names: [of_frames, of_bytes] } = self;
        let piece = Piece { amount: came.frames.into(), before: 0, own_paid_at: 0, is_last: true };
        let ask = |rate| Ask { limit: of_frames, rate, bucket: &taken.frames, piece, bytes_of: None };
        let frames = frames.map(ask);
        let own_paid_at = if came.is_of_message() { meter.paid_at(scope).load(Ordering::Relaxed) } else { 0 };
        let is_last = came.what != What::Part;
        let piece = Piece { amount: came.bytes, before: came.before, own_paid_at, is_last };
        let ask = |rate| Ask { limit: of_bytes, rate, bucket: &taken.bytes, piece, bytes_of: Some(scope) };
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
