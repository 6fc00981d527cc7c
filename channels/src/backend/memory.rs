//! One process: a direct call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::{Duration, SystemTime};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::claims::Claims;
use super::{
    Backend, Claim, Claimed, Counts, Envelope, Events, Health, Limits, Published, Refusal, Reports, Server, Settlement,
    Sink, Topic,
};
use crate::config::Rate;
use crate::error::Error;
use crate::id::UserId;
use crate::rate_limit::KeyedLimiters;

/// The backend of one server. Nothing is copied, queued or awaited: a publish is a call of the sink.
///
/// ```
/// use channels::{ChannelLayer, Config};
///
/// # tokio_test();
/// # #[tokio::main(flavor = "current_thread")] async fn tokio_test() {
/// let layer = ChannelLayer::connect(Config::default()).await.unwrap();
/// assert_eq!(layer.backend_name(), "memory");
/// # }
/// ```
#[derive(Default)]
pub struct MemoryBackend {
    sink: OnceLock<Weak<dyn Sink>>,
    since: OnceLock<SystemTime>,
    total: AtomicUsize,
    /// Connections of each user that has one. An entry's lock makes check and count one step.
    users: DashMap<UserId, usize>,
    rates: KeyedLimiters,
    claims: Claims,
    reports: Reports,
}

impl MemoryBackend {
    /// A backend that nobody uses yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn admit_now(&self, user: Option<&UserId>, limits: Limits) -> Result<(), Refusal> {
        let Some(user) = user else { return self.take_place(limits) };
        // The entry stays locked over both checks: who is refused as a user takes no place, not even for a moment.
        match self.users.entry(user.clone()) {
            Entry::Occupied(count) if *count.get() >= limits.per_user => Err(Refusal::User),
            Entry::Occupied(mut count) => self.take_place(limits).map(|()| *count.get_mut() += 1),
            Entry::Vacant(_) if limits.per_user == 0 => Err(Refusal::User),
            Entry::Vacant(entry) => self.take_place(limits).map(|()| drop(entry.insert(1))),
        }
    }

    fn take_place(&self, limits: Limits) -> Result<(), Refusal> {
        let one_more = |total: usize| (total < limits.total).then_some(total + 1);
        let taken = self.total.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.map(|_| ()).map_err(|_| Refusal::Total)
    }
}

impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn start(&self, sink: Weak<dyn Sink>) -> Result<(), Error> {
        self.sink.set(sink).map_err(|_| Error::backend("This backend already belongs to a layer."))?;
        self.since.get_or_init(SystemTime::now);
        Ok(())
    }

    async fn stop(&self) {}

    async fn subscribe(&self, _topic: Topic<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn unsubscribe(&self, _topic: Topic<'_>) {}

    async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        let sink = self.sink.get().and_then(Weak::upgrade);
        let sink = sink.ok_or_else(|| Error::backend("The layer is gone.").with_retryable(false))?;
        Ok(Published::locally(sink.deliver(topic, &envelope)))
    }

    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Error> {
        Ok(self.admit_now(user, limits))
    }

    fn release(&self, user: Option<&UserId>) {
        self.total.fetch_sub(1, Ordering::AcqRel);
        if let Some(user) = user
            && let Entry::Occupied(mut count) = self.users.entry(user.clone())
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    async fn check_rate(&self, key: &str, rate: Rate) -> Result<Result<(), Duration>, Error> {
        Ok(self.rates.check(key, rate))
    }

    async fn claim(&self, claim: &Claim, lease: Duration) -> Result<Claimed, Error> {
        self.claims.claim(claim, lease)
    }

    async fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, Error> {
        self.claims.settle(claim, settlement)
    }

    async fn counts(&self) -> Result<Counts, Error> {
        Ok(Counts { servers: 1, connections: self.total.load(Ordering::Acquire), users: self.users.len() })
    }

    async fn servers(&self) -> Result<Vec<Server>, Error> {
        // Without its layer there is no server either.
        let Some(sink) = self.sink.get().and_then(Weak::upgrade) else { return Ok(Vec::new()) };
        let mut itself = Server::new(format!("{:016x}", sink.incarnation()), self.total.load(Ordering::Acquire));
        let name = sink.server_name();
        if !name.is_empty() {
            itself.name = name;
        }
        itself.is_self = true;
        itself.since = self.since.get().copied();
        itself.silent_for = Some(Duration::ZERO);
        itself.is_draining = sink.is_draining();
        Ok(vec![itself])
    }

    async fn members(&self, group: &str) -> Result<usize, Error> {
        let sink = self.sink.get().and_then(Weak::upgrade);
        Ok(sink.map_or(0, |sink| sink.local_members(Topic::Group(group))))
    }

    async fn connections_of(&self, user: &UserId) -> Result<usize, Error> {
        Ok(self.users.get(user).map_or(0, |count| *count))
    }

    fn health(&self) -> Health {
        // A direct call is never interrupted, and needs no subscription.
        self.reports.health(0, 0)
    }

    fn events(&self) -> Events {
        self.reports.events()
    }

    fn sweep(&self) {
        self.rates.sweep();
        self.claims.sweep();
    }
}
