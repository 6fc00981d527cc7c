//! The memory backend, watched: what a layer asks of it, in which order, and gates that hold it up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use channels::backend::{
    Backend, Claim, Claimed, Counts, Envelope, Events, Health, Limits, MemoryBackend, Published, Refusal, Settlement,
    Sink, Topic,
};
use channels::{ChannelLayer, Config, Error, Rate, UserId};
use futures_util::FutureExt;
use tokio::sync::{Notify, Semaphore};

/// A copy watches the same backend.
#[derive(Clone, Default)]
pub struct Watched(Arc<Inner>);

#[derive(Default)]
struct Inner {
    memory: MemoryBackend,
    publishes: AtomicUsize,
    subscribes: AtomicUsize,
    others: AtomicUsize,
    topics: Mutex<Vec<(bool, String)>>,
    admission: Gate,
    subscription: Gate,
    /// It can tell nothing.
    is_away: AtomicBool,
    /// It can tell nothing of rates.
    knows_no_rates: AtomicBool,
    /// It takes what is published, and this server does not hear it.
    is_deaf: AtomicBool,
    /// Whoever waits for a subscription is told so when the topic has no member left, as by Redis.
    tells_who_waits: AtomicBool,
    /// Its stop has no end.
    never_stops: AtomicBool,
    left: Notify,
    /// How long the process stands still after the next claim.
    stop: Mutex<Option<Duration>>,
}

/// Lets everybody pass until it is closed.
#[derive(Default)]
struct Gate {
    permits: Mutex<Option<Arc<Semaphore>>>,
    waiting: AtomicUsize,
}

impl Gate {
    fn close(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.permits.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&gate));
        gate
    }

    async fn pass(&self) {
        let gate = self.permits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(gate) = gate {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.unwrap().forget();
        }
    }
}

/// How often what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    pub publishes: usize,
    pub subscribes: usize,
    pub others: usize,
}

impl Watched {
    pub async fn layer(&self) -> ChannelLayer {
        self.layer_with(Config::default()).await
    }

    pub async fn layer_with(&self, config: Config) -> ChannelLayer {
        ChannelLayer::builder(config).backend(self.clone()).connect().await.unwrap()
    }

    pub fn calls(&self) -> Calls {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let Inner { publishes, subscribes, others, .. } = &*self.0;
        Calls { publishes: read(publishes), subscribes: read(subscribes), others: read(others) }
    }

    /// Whether a topic is subscribed, going by the calls in their order.
    pub fn is_subscribed(&self, topic: Topic<'_>) -> bool {
        let topic = format!("{topic:?}");
        let topics = self.0.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.iter().rev().find(|(_, name)| *name == topic).is_some_and(|(subscribed, _)| *subscribed)
    }

    /// From now on each admission waits for a permit.
    pub fn hold_admissions(&self) -> Arc<Semaphore> {
        self.0.admission.close()
    }

    /// How many admissions have waited.
    pub fn held_admissions(&self) -> usize {
        self.0.admission.waiting.load(Ordering::SeqCst)
    }

    /// From now on each subscription waits for a permit.
    pub fn hold_subscriptions(&self) -> Arc<Semaphore> {
        self.0.subscription.close()
    }

    /// From now on it can tell of nobody whether there is room.
    pub fn goes_away(&self) {
        self.0.is_away.store(true, Ordering::SeqCst);
    }

    /// From now on it can tell nobody whether a rate is kept, as where one node of a Cluster is away.
    pub fn loses_rates(&self) {
        self.0.knows_no_rates.store(true, Ordering::SeqCst);
    }

    /// From now on what is published is taken and comes to nobody here, as where the subscription has just been cut, or is not live.
    pub fn goes_deaf(&self) {
        self.0.is_deaf.store(true, Ordering::SeqCst);
    }

    /// From now on whoever waits for a subscription fails when the topic's last member has gone.
    pub fn tells_who_waits(&self) {
        self.0.tells_who_waits.store(true, Ordering::SeqCst);
    }

    /// From now on, who stops it waits for ever.
    pub fn never_stops(&self) {
        self.0.never_stops.store(true, Ordering::SeqCst);
    }

    /// Ends when nobody wants a topic any more, where that is told.
    async fn until_left(&self, topic: Topic<'_>) {
        loop {
            self.0.left.notified().await;
            if self.0.tells_who_waits.load(Ordering::SeqCst) && !self.is_subscribed(topic) {
                return;
            }
        }
    }

    fn is_there(&self) -> Result<(), Error> {
        if self.0.is_away.load(Ordering::SeqCst) { Err(Error::backend("It is away.")) } else { Ok(()) }
    }

    /// The next claim is made, and then the process stands still before it hears so. With paused time.
    pub fn stand_still_at_a_claim(&self, time: Duration) {
        *self.0.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    fn other(&self) -> &MemoryBackend {
        self.0.others.fetch_add(1, Ordering::SeqCst);
        &self.0.memory
    }

    fn note(&self, subscribed: bool, topic: Topic<'_>) {
        self.0.topics.lock().unwrap_or_else(PoisonError::into_inner).push((subscribed, format!("{topic:?}")));
    }
}

impl Backend for Watched {
    fn name(&self) -> &'static str {
        "watched"
    }

    async fn start(&self, sink: Weak<dyn Sink>) -> Result<(), Error> {
        self.0.memory.start(sink).await
    }

    async fn stop(&self) {
        if self.0.never_stops.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    async fn subscribe(&self, topic: Topic<'_>) -> Result<(), Error> {
        self.0.subscribes.fetch_add(1, Ordering::SeqCst);
        self.note(true, topic);
        tokio::select! {
            biased;
            () = self.0.subscription.pass() => {}
            () = self.until_left(topic) => {
                return Err(Error::backend("The topic was left meanwhile.").with_retryable(false));
            }
        }
        self.0.memory.subscribe(topic).await
    }

    fn unsubscribe(&self, topic: Topic<'_>) {
        // Long enough that whoever may join meanwhile would.
        std::thread::yield_now();
        self.note(false, topic);
        self.0.left.notify_waiters();
        self.other().unsubscribe(topic);
    }

    async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        self.0.publishes.fetch_add(1, Ordering::SeqCst);
        if self.0.is_deaf.load(Ordering::SeqCst) {
            return Ok(Published::default());
        }
        self.0.memory.publish(topic, envelope).await
    }

    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Error> {
        self.is_there()?;
        self.0.admission.pass().await;
        self.other().admit(user, limits).await
    }

    fn release(&self, user: Option<&UserId>) {
        self.other().release(user);
    }

    async fn check_rate(&self, key: &str, rate: Rate) -> Result<Result<(), Duration>, Error> {
        self.is_there()?;
        if self.0.knows_no_rates.load(Ordering::SeqCst) {
            return Err(Error::backend("The rates are away."));
        }
        self.other().check_rate(key, rate).await
    }

    async fn claim(&self, claim: &Claim, lease: Duration) -> Result<Claimed, Error> {
        let claimed = self.other().claim(claim, lease).await;
        if let Some(time) = self.0.stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Polled once: the clock leaps in the middle of somebody's poll.
            let _ = tokio::time::advance(time).now_or_never();
        }
        claimed
    }

    async fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, Error> {
        self.other().settle(claim, settlement).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.0.memory.counts().await
    }

    async fn members(&self, group: &str) -> Result<usize, Error> {
        self.0.memory.members(group).await
    }

    async fn connections_of(&self, user: &UserId) -> Result<usize, Error> {
        self.0.memory.connections_of(user).await
    }

    fn health(&self) -> Health {
        self.0.memory.health()
    }

    fn events(&self) -> Events {
        self.0.memory.events()
    }
}
