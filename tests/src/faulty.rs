//! A backend with one fault: to show that a test of the contract sees it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use channels::backend::{
    Backend, Claim, Claimed, Content, Counts, Envelope, Events, Health, Limits, Published, Refusal, Server, Settlement,
    Sink, Topic,
};
use channels::{ConnectionId, Error, Rate, UserId};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every 50th message is lost.
    Loses,
    /// Every 50th message arrives twice.
    Doubles,
    /// Every 50th message arrives after the next one.
    Reorders,
    /// Each server delivers its own messages first: each sees another order.
    OwnFirst,
    /// Texts are trimmed.
    ChangesBytes,
    /// Large messages are lost.
    LosesLarge,
    /// A group and a user of one name are one topic.
    MixesKinds,
    /// Topics whose name contains the prefix are lost.
    LosesPrefix,
    /// The excluded connection is forgotten.
    ForgetsExcluded,
    /// A command arrives as a message.
    ForgetsContent,
    /// A topic without members refuses messages.
    RefusesEmpty,
    /// `subscribe` returns before the topic is live.
    LiveLate,
    /// Each `subscribe` counts, and so does each delivery.
    SubscribesTwice,
    /// Messages for one connection go nowhere.
    LosesPersonal,
    /// Leaving one topic leaves all.
    UnsubscribesAll,
    /// The limits are looked at first and taken later.
    ChecksThenActs,
    /// Nobody is refused for all places being taken.
    NoTotal,
    /// Anonymous connections are one user.
    AnonymousIsOne,
    /// A place that is given back stays taken.
    NeverReleases,
    /// A refusal takes a place.
    RefusalTakes,
    /// An admission that nobody waits for keeps its place.
    KeepsDropped,
    /// Only what this server has is counted.
    CountsItself,
    /// Of several servers only this one is told of.
    KnowsItself,
    /// Servers of one name are one.
    MixesNames,
    /// Nobody hears that a server is being drained.
    HidesDrains,
    /// A rate has no limit.
    NoRates,
    /// A rate that was used up stays so.
    Starves,
    /// All keys are one.
    OneRate,
    /// All rates of a key are the one that came first.
    OneRateOfAKey,
    /// Each server has rates of its own.
    RatesOfItsOwn,
    /// Everybody is to do it.
    ClaimsTwice,
    /// Each server has claims of its own.
    ClaimsOfItsOwn,
    /// What was done is forgotten.
    ForgetsAnswers,
    /// What was abandoned stays claimed.
    KeepsClaims,
    /// Whoever settles may.
    AnybodySettles,
    /// Who settles again is told that it was in vain.
    ForgetsWhoSettled,
    /// A lease has no end.
    EndlessLease,
}

/// A backend with a fault.
pub struct Faulty<B> {
    inner: B,
    fault: Fault,
    sink: Arc<Spoiler>,
    admitted: AtomicUsize,
    rates: B,
    refused_keys: Mutex<HashSet<String>>,
    first_rates: Mutex<HashMap<String, Rate>>,
    holders: Mutex<HashMap<String, Claim>>,
    settled: Mutex<HashSet<u128>>,
}

/// Between the backend and the real sink.
struct Spoiler {
    fault: Fault,
    to: Mutex<Option<Weak<dyn Sink>>>,
    calls: AtomicUsize,
    held: Mutex<Option<Envelope>>,
    subscribed: Mutex<Vec<String>>,
}

impl<B: Backend> Faulty<B> {
    /// `inner` with a fault; `rates` is another backend for the faults that need one.
    pub fn new(fault: Fault, inner: B, rates: B) -> Self {
        let sink = Spoiler {
            fault,
            to: Mutex::default(),
            calls: AtomicUsize::new(0),
            held: Mutex::default(),
            subscribed: Mutex::default(),
        };
        let admitted = AtomicUsize::new(0);
        Self {
            inner,
            fault,
            sink: Arc::new(sink),
            admitted,
            rates,
            refused_keys: Mutex::default(),
            first_rates: Mutex::default(),
            holders: Mutex::default(),
            settled: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spoiler {
    /// Marks what this server has already.
    fn itself(&self) -> ConnectionId {
        ConnectionId::new(self.incarnation(), 0)
    }

    fn to(&self) -> Option<Arc<dyn Sink>> {
        lock(&self.to).as_ref().and_then(Weak::upgrade)
    }
}

impl Sink for Spoiler {
    fn incarnation(&self) -> u64 {
        self.to().map_or(0, |to| to.incarnation())
    }

    fn local_members(&self, topic: Topic<'_>) -> usize {
        self.to().map_or(0, |to| to.local_members(topic))
    }

    fn server_name(&self) -> String {
        self.to().map(|to| to.server_name()).unwrap_or_default()
    }

    fn is_draining(&self) -> bool {
        self.to().is_some_and(|to| to.is_draining())
    }

    fn evict(&self, user: Option<&UserId>, connections: usize) {
        self.to().into_iter().for_each(|to| to.evict(user, connections));
    }

    fn deliver(&self, topic: Topic<'_>, envelope: &Envelope) -> usize {
        let Some(to) = self.to() else { return 0 };
        let every_50th = self.calls.fetch_add(1, Ordering::Relaxed) % 50 == 49;
        let mut envelope = envelope.clone();
        match (self.fault, topic) {
            (Fault::Loses, _) if every_50th => return 1,
            (Fault::Doubles, _) if every_50th => drop(to.deliver(topic, &envelope)),
            (Fault::Reorders, _) if every_50th => {
                *lock(&self.held) = Some(envelope);
                return 1;
            }
            (Fault::OwnFirst, Topic::Group(_)) if envelope.except == Some(self.itself()) => return 0,
            (Fault::OwnFirst, Topic::Group(_)) => envelope.except = None,
            (Fault::ChangesBytes, _) => envelope.payload = envelope.payload.trim().into(),
            (Fault::LosesLarge, _) if envelope.payload.len() > 1 << 20 => return 0,
            (Fault::MixesKinds, Topic::User(user)) => return to.deliver(Topic::Group(user.as_str()), &envelope),
            (Fault::LosesPrefix, Topic::Group(name)) if name.contains("ws:") => return 0,
            (Fault::ForgetsExcluded, _) => envelope.except = None,
            (Fault::ForgetsContent, _) => envelope.content = Content::Message,
            (Fault::LosesPersonal, Topic::Connection(_)) => return 0,
            (Fault::SubscribesTwice, _) => {
                let times = lock(&self.subscribed).iter().filter(|name| **name == format!("{topic:?}")).count();
                return (0..times.max(1)).map(|_| to.deliver(topic, &envelope)).sum();
            }
            _ => {}
        }
        let taken = to.deliver(topic, &envelope);
        if let Some(held) = lock(&self.held).take() {
            to.deliver(topic, &held);
        }
        taken
    }
}

impl<B: Backend> Backend for Faulty<B> {
    fn name(&self) -> &'static str {
        "faulty"
    }

    async fn start(&self, sink: Weak<dyn Sink>) -> Result<(), Error> {
        *lock(&self.sink.to) = Some(sink);
        let sink: Arc<dyn Sink> = Arc::clone(&self.sink) as Arc<dyn Sink>;
        self.inner.start(Arc::downgrade(&sink)).await
    }

    async fn stop(&self) {
        self.inner.stop().await;
    }

    async fn subscribe(&self, topic: Topic<'_>) -> Result<(), Error> {
        lock(&self.sink.subscribed).push(format!("{topic:?}"));
        if self.fault == Fault::LiveLate && format!("{topic:?}").contains("live-7") {
            // So late that it never is.
            return Ok(());
        }
        self.inner.subscribe(topic).await
    }

    fn unsubscribe(&self, topic: Topic<'_>) {
        lock(&self.sink.subscribed).retain(|name| *name != format!("{topic:?}"));
        if self.fault == Fault::UnsubscribesAll {
            self.inner.unsubscribe(Topic::Group("steady"));
        }
        self.inner.unsubscribe(topic);
    }

    async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        match (self.fault, topic) {
            (Fault::RefusesEmpty, Topic::Group("nobody")) => return Err(Error::backend("Nobody is there.")),
            (Fault::OwnFirst, Topic::Group(_)) => {
                if let Some(to) = self.sink.to() {
                    to.deliver(topic, &envelope);
                }
                tokio::task::yield_now().await;
                return self.inner.publish(topic, envelope.except(self.sink.itself())).await;
            }
            _ => {}
        }
        self.inner.publish(topic, envelope).await
    }

    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Error> {
        let anonymous = UserId::new("anonymous").ok();
        match self.fault {
            Fault::ChecksThenActs => {
                let looked = self.inner.admit(user, limits).await?;
                if looked.is_ok() {
                    self.inner.release(user);
                    tokio::task::yield_now().await;
                    return self.inner.admit(user, Limits { per_user: usize::MAX, total: usize::MAX }).await;
                }
                Ok(looked)
            }
            Fault::NoTotal => self.inner.admit(user, Limits { total: usize::MAX, ..limits }).await,
            Fault::AnonymousIsOne => self.inner.admit(user.or(anonymous.as_ref()), limits).await,
            Fault::RefusalTakes => {
                let answer = self.inner.admit(user, limits).await?;
                if answer.is_err() {
                    self.inner.admit(None, Limits { per_user: usize::MAX, total: usize::MAX }).await?.ok();
                }
                Ok(answer)
            }
            Fault::KeepsDropped => {
                let answer = self.inner.admit(user, limits).await;
                tokio::task::yield_now().await;
                answer
            }
            _ => {
                let answer = self.inner.admit(user, limits).await?;
                self.admitted.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
                Ok(answer)
            }
        }
    }

    fn release(&self, user: Option<&UserId>) {
        let anonymous = UserId::new("anonymous").ok();
        match self.fault {
            Fault::NeverReleases => {}
            Fault::AnonymousIsOne => self.inner.release(user.or(anonymous.as_ref())),
            _ => {
                self.admitted.fetch_sub(1, Ordering::Relaxed);
                self.inner.release(user);
            }
        }
    }

    async fn check_rate(&self, key: &str, rate: Rate) -> Result<Result<(), Duration>, Error> {
        match self.fault {
            Fault::NoRates => Ok(Ok(())),
            Fault::OneRate => self.inner.check_rate("", rate).await,
            Fault::OneRateOfAKey => {
                let first = *lock(&self.first_rates).entry(key.to_owned()).or_insert(rate);
                self.inner.check_rate(key, first).await
            }
            Fault::RatesOfItsOwn => self.rates.check_rate(key, rate).await,
            Fault::Starves if lock(&self.refused_keys).contains(key) => Ok(Err(Duration::from_millis(1))),
            Fault::Starves => {
                let answer = self.inner.check_rate(key, rate).await?;
                if answer.is_err() {
                    lock(&self.refused_keys).insert(key.to_owned());
                }
                Ok(answer)
            }
            _ => self.inner.check_rate(key, rate).await,
        }
    }

    async fn claim(&self, claim: &Claim, lease: Duration) -> Result<Claimed, Error> {
        match self.fault {
            Fault::ClaimsTwice => Ok(Claimed::Yours),
            Fault::ClaimsOfItsOwn => self.rates.claim(claim, lease).await,
            Fault::EndlessLease => self.inner.claim(claim, Duration::from_secs(3600)).await,
            Fault::AnybodySettles => {
                let claimed = self.inner.claim(claim, lease).await?;
                if claimed == Claimed::Yours {
                    lock(&self.holders).insert(claim.key.clone(), claim.clone());
                }
                Ok(claimed)
            }
            _ => self.inner.claim(claim, lease).await,
        }
    }

    async fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, Error> {
        match self.fault {
            Fault::ClaimsOfItsOwn => self.rates.settle(claim, settlement).await,
            Fault::ForgetsAnswers => self.inner.settle(claim, Settlement::Abandoned).await,
            Fault::ForgetsWhoSettled if !lock(&self.settled).insert(claim.token) => Ok(false),
            Fault::KeepsClaims if settlement == Settlement::Abandoned => Ok(true),
            Fault::AnybodySettles => {
                let holder = lock(&self.holders).get(&claim.key).cloned();
                self.inner.settle(holder.as_ref().unwrap_or(claim), settlement).await
            }
            _ => self.inner.settle(claim, settlement).await,
        }
    }

    async fn counts(&self) -> Result<Counts, Error> {
        let counts = self.inner.counts().await?;
        match self.fault {
            Fault::CountsItself => Ok(Counts { connections: self.admitted.load(Ordering::Relaxed), ..counts }),
            _ => Ok(counts),
        }
    }

    async fn servers(&self) -> Result<Vec<Server>, Error> {
        let mut servers = self.inner.servers().await?;
        match self.fault {
            Fault::KnowsItself => servers.retain(|server| server.is_self),
            Fault::MixesNames => {
                servers.sort_by(|one, other| one.name.cmp(&other.name));
                servers.dedup_by(|one, other| one.name == other.name);
            }
            Fault::HidesDrains => servers.iter_mut().for_each(|server| server.is_draining = false),
            _ => {}
        }
        Ok(servers)
    }

    async fn members(&self, group: &str) -> Result<usize, Error> {
        self.inner.members(group).await
    }

    async fn connections_of(&self, user: &UserId) -> Result<usize, Error> {
        self.inner.connections_of(user).await
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn events(&self) -> Events {
        self.inner.events()
    }
}
