//! Frames and bytes, by connection, user and address: counted before anybody looks at what is in them.
//!
//! By user and by address they are counted on each server for itself. A question to Redis for each frame would cost more
//! than the frame.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::{Address, Verdicts};
use crate::config::{Config, LimitName, Rate};
use crate::id::{ConnectionId, UserId};
use crate::rate_limit::{Bucket, Clock};

/// How often a connection is told that frames were refused.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// A connection whose refused frames, without a pause of a whole period, come to more than so many bursts is closed.
const BURSTS_TO_CLOSE: u64 = 10;
/// Parts of a burst are counted in thousandths.
const THOUSAND: u64 = 1000;

/// The rates of one scope, with the names of their limits.
#[derive(Clone, Copy, Debug)]
struct Rates {
    frames: Option<Rate>,
    bytes: Option<Rate>,
    names: [LimitName; 2],
}

/// What was taken of them.
#[derive(Debug, Default)]
struct Taken {
    frames: Bucket,
    bytes: Bucket,
}

/// What one connection has sent, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    own: Taken,
    /// Where it has no user.
    as_user: Taken,
    refused: Refused,
    /// Some fragments were refused of the message that arrives.
    is_message_refused: AtomicBool,
}

/// What was refused of one connection; touched by its session's task only.
#[derive(Debug, Default)]
struct Refused {
    /// When the last one was, and 1; 0 before the first.
    last_at: AtomicU64,
    /// In thousandths of a burst, without a pause.
    bursts: AtomicU64,
    /// From when on the client may be told again.
    tell_at: AtomicU64,
    untold: AtomicU64,
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

/// What has come: one message or control frame, and the fragments it came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) frames: u32,
    pub(crate) bytes: usize,
    pub(crate) at: Instant,
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

impl Meter {
    /// A message whose fragments are refused is refused as a whole.
    pub(crate) fn refuse_message(&self) {
        self.is_message_refused.store(true, Ordering::Relaxed);
    }

    /// Whether that happened to the message that ends now.
    pub(crate) fn ends_refused_message(&self) -> bool {
        self.is_message_refused.load(Ordering::Relaxed) && self.is_message_refused.swap(false, Ordering::Relaxed)
    }
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

    /// Counts what has come.
    pub(crate) fn take(&self, whose: Whose<'_>, meter: &Meter, arrived: Arrived) -> Verdict {
        if self.max_message_size.is_some_and(|max| arrived.bytes > max) {
            self.verdicts.refuses(LimitName::MessageSize, whose.connection);
        }
        let now = self.clock.nanos(arrived.at);
        match self.first_exceeded(whose, meter, arrived, now) {
            None => Verdict::Taken,
            Some(exceeded) => self.refused(&meter.refused, exceeded, now),
        }
    }

    /// Counts what has come and cannot be refused any more, as its connection is over; what exceeds a limit is counted as such.
    pub(crate) fn charge(&self, whose: Whose<'_>, meter: &Meter, arrived: Arrived) {
        let now = self.clock.nanos(arrived.at);
        self.first_exceeded(whose, meter, arrived, now);
    }

    fn first_exceeded(&self, whose: Whose<'_>, meter: &Meter, arrived: Arrived, now: u64) -> Option<Exceeded> {
        let take = |rates: Rates, taken: &Taken| {
            let frames = u64::from(arrived.frames);
            let frames = rates.frames.map(|rate| (rates.names[0], rate, &taken.frames, frames, frames));
            let bytes = arrived.bytes as u64;
            let bytes = rates.bytes.map(|rate| {
                // However large it is, one message is told of before anybody is closed.
                (rates.names[1], rate, &taken.bytes, bytes, bytes.min(rate.count().get().into()))
            });
            frames.into_iter().chain(bytes).find_map(|(limit, rate, bucket, taken, amount)| {
                let wait = bucket.take(rate, taken, now).err()?;
                self.verdicts.refuses(limit, whose.connection).then_some(Exceeded { limit, rate, amount, wait })
            })
        };
        if self.connection.is_on()
            && let Some(exceeded) = take(self.connection, &meter.own)
        {
            return Some(exceeded);
        }
        if self.user.is_on() {
            let exceeded = match whose.user {
                Some(user) => with(&self.users, user, |taken| take(self.user, taken)),
                None => take(self.user, &meter.as_user),
            };
            if exceeded.is_some() {
                return exceeded;
            }
        }
        let address = whose.address.filter(|_| self.address.is_on())?;
        with(&self.addresses, &address, |taken| take(self.address, taken))
    }

    fn refused(&self, refused: &Refused, exceeded: Exceeded, now: u64) -> Verdict {
        let Exceeded { limit, rate, amount, wait } = exceeded;
        let pause = rate.per().as_nanos();
        let last_at = refused.last_at.swap(now + 1, Ordering::Relaxed);
        let is_after_a_pause = last_at == 0 || u128::from((now + 1).saturating_sub(last_at)) >= pause;
        let before = if is_after_a_pause { 0 } else { refused.bursts.load(Ordering::Relaxed) };
        let bursts = before + (amount.saturating_mul(THOUSAND) / u64::from(rate.count().get())).max(1);
        refused.bursts.store(bursts, Ordering::Relaxed);
        if bursts > BURSTS_TO_CLOSE * THOUSAND {
            self.verdicts.flooded();
            return Verdict::Flooded;
        }
        let untold = refused.untold.load(Ordering::Relaxed) + 1;
        let is_due = refused.tell_at.load(Ordering::Relaxed) <= now;
        refused.untold.store(if is_due { 0 } else { untold }, Ordering::Relaxed);
        if !is_due {
            return Verdict::Untold;
        }
        refused.tell_at.store(now + TELL_EVERY.as_nanos() as u64, Ordering::Relaxed);
        Verdict::Told(Excess { limit, wait, refused: untold })
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

struct Exceeded {
    limit: LimitName,
    rate: Rate,
    /// What counts as refused.
    amount: u64,
    wait: Duration,
}

impl Rates {
    fn is_on(&self) -> bool {
        self.frames.is_some() || self.bytes.is_some()
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
mod tests {
    use super::*;

    fn metering(vars: &[(&str, &str)]) -> Arc<Metering> {
        let config = Config::builder().vars(vars.iter().copied()).unwrap().build().unwrap();
        Metering::new(&config, &Arc::new(Verdicts::new(&config, Arc::default()))).unwrap()
    }

    fn whose<'a>(user: Option<&'a UserId>, address: &str) -> Whose<'a> {
        let address = address.parse::<std::net::IpAddr>().ok().map(Address::from);
        Whose { connection: ConnectionId::new(1, 1), user, address }
    }

    fn one() -> Arrived {
        Arrived { frames: 1, bytes: 10, at: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_told_once_a_second_and_closed_after_ten_bursts() {
        let metering = metering(&[("WS_FRAMES_PER_CONNECTION", "5/1s")]);
        let (meter, whose) = (Meter::default(), whose(None, ""));
        for _ in 0..5 {
            assert!(matches!(metering.take(whose, &meter, one()), Verdict::Taken));
        }
        let told = metering.take(whose, &meter, one());
        assert!(matches!(told, Verdict::Told(Excess { refused: 1, limit: LimitName::FramesPerConnection, .. })));
        for _ in 0..30 {
            assert!(matches!(metering.take(whose, &meter, one()), Verdict::Untold));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..5 {
            assert!(matches!(metering.take(whose, &meter, one()), Verdict::Taken));
        }
        // A pause of a whole period: what was refused before is forgiven, but told.
        assert!(matches!(metering.take(whose, &meter, one()), Verdict::Told(Excess { refused: 31, .. })));
        let more = (0..100).map(|_| metering.take(whose, &meter, one()));
        assert_eq!(more.take_while(|verdict| matches!(verdict, Verdict::Untold)).count(), 49);
    }

    #[tokio::test(start_paused = true)]
    async fn fragments_count_each_and_bytes_are_paid_for() {
        let metering = metering(&[("WS_FRAMES_PER_CONNECTION", "10/1s"), ("WS_BYTES_PER_CONNECTION", "1KiB/1s")]);
        let (meter, whose) = (Meter::default(), whose(None, ""));
        let at = Instant::now();
        let take = |frames, bytes| metering.take(whose, &meter, Arrived { frames, bytes, at });
        assert!(matches!(take(9, 4096), Verdict::Taken));
        let Verdict::Told(excess) = take(1, 1) else { panic!("four seconds' bytes were not paid for") };
        assert_eq!(excess.limit, LimitName::BytesPerConnection);
        assert!(excess.wait > Duration::from_secs(3) && excess.wait <= Duration::from_secs(4), "{:?}", excess.wait);
        assert!(matches!(take(1, 0), Verdict::Untold), "the tenth frame was taken though its byte was refused");
    }

    #[tokio::test(start_paused = true)]
    async fn users_and_addresses_are_counted_over_connections_and_forgotten() {
        let metering = metering(&[("WS_FRAMES_PER_USER", "3/1s"), ("WS_FRAMES_PER_ADDRESS", "5/1s")]);
        let (ada, bob) = (UserId::new("ada").unwrap(), UserId::new("bob").unwrap());
        let taken = |user, address: &str| {
            let frames = (0..100).map(|_| metering.take(whose(user, address), &Meter::default(), one()));
            frames.take_while(|verdict| matches!(verdict, Verdict::Taken)).count()
        };
        assert_eq!(taken(Some(&ada), "2001:db8::1"), 3);
        assert_eq!(taken(Some(&bob), "2001:db8::ffff"), 2, "the same /64");
        assert_eq!(taken(None, "2001:db8:0:1::1"), 5, "an anonymous connection is nobody else's user");
        assert_eq!(metering.remembered(), 4);
        metering.sweep();
        assert_eq!(metering.remembered(), 4);
        tokio::time::advance(Duration::from_secs(2)).await;
        metering.sweep();
        assert_eq!(metering.remembered(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_large_message_is_told_of_before_anybody_is_closed() {
        let metering = metering(&[("WS_BYTES_PER_CONNECTION", "1KiB/1s")]);
        let (meter, whose) = (Meter::default(), whose(None, ""));
        let take = |bytes| metering.take(whose, &meter, Arrived { frames: 1, bytes, at: Instant::now() });
        assert!(matches!(take(1), Verdict::Taken));
        assert!(matches!(take(1 << 20), Verdict::Told(Excess { refused: 1, .. })));
        assert_eq!((0..20).take_while(|_| matches!(take(1 << 20), Verdict::Untold)).count(), 9);
    }

    #[test]
    fn what_is_off_is_not_there() {
        let config = Config::default();
        assert!(Metering::new(&config, &Arc::new(Verdicts::new(&config, Arc::default()))).is_none());
    }
}
