//! Several servers that share a Redis: one server of it, the master that Sentinels name, or a Cluster.
//!
//! | module | its one concept |
//! |---|---|
//! | `names`, `envelope`, `hints`, `resp` | channels and keys; what servers say to each other, and may skip; the protocol of Redis |
//! | `dial`, `tls`, `topology` | connections; who is the master, who serves which slots |
//! | `fault`, `pipe` | commands and their answers; what is known where there is none |
//! | `subscriptions`, `asked`, `link`, `gather`, `deliveries` | what is wanted and what is live; whose an answer is; one listening connection; whether more is about to come; the way to the sink |
//! | `node`, `net`, `route` | a server with both; all of them, and who serves what; a command's way there |
//! | `script`, `lease`, `ledger`, `permits`, `servers`, `membership` | atomic steps; who lives; numbers by name; the total; what each server says of itself; all of it |
//! | `publish`, `rates`, `claims` | one message, one command; rates, and what is done once, that all servers share |

mod asked;
mod claims;
mod counts;
mod deliveries;
mod dial;
mod envelope;
mod fault;
mod gather;
mod hints;
mod lease;
mod ledger;
mod link;
mod membership;
mod names;
mod net;
mod node;
mod permits;
mod pipe;
mod publish;
mod publisher;
mod rates;
mod resp;
mod route;
mod script;
mod servers;
mod start;
mod subscriptions;
mod tls;
mod topology;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

pub use publisher::{Publisher, Tap};
use tokio::sync::oneshot;

use self::fault::Fault;
use self::membership::Membership;
use self::net::Net;
use self::rates::Rates;
use super::{
    Backend, Claim, Claimed, Counts, Envelope, Events, Health, Limits, Published, Refusal, Server, Settlement, Sink,
    Topic,
};
use crate::config::{Config, LimitFallback, Rate};
use crate::error::Error;
use crate::id::UserId;

/// The backend of several servers that share a Redis. `BACKEND_TYPE=redis` makes one; nothing else changes.
///
/// What is promised, and what is not, is said in [the guide](crate::docs::redis).
pub struct RedisBackend {
    config: Config,
    sink: Arc<OnceLock<Weak<dyn Sink>>>,
    running: OnceLock<Running>,
}

/// What exists from the start on.
struct Running {
    net: Arc<Net>,
    members: Arc<Membership>,
    rates: Rates,
    incarnation: u64,
}

impl RedisBackend {
    /// Not connected yet: that is what [`Backend::start`] does.
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone(), sink: Arc::default(), running: OnceLock::new() }
    }

    fn running(&self) -> Result<&Running, Error> {
        self.running.get().ok_or_else(|| Error::backend("The backend has not been started."))
    }

    fn is_local(&self) -> bool {
        self.config.redis_limit_fallback() == LimitFallback::Local
    }
}

impl Running {
    /// Asks for a topic and gives what to wait for, where it is not live yet.
    fn want(&self, topic: Topic<'_>) -> Option<oneshot::Receiver<()>> {
        let (partition, channel) = self.net.names.channel(topic);
        want(&self.net, partition, channel)
    }

    /// The user first, as who is refused as a user takes no place, not even for a moment.
    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Fault> {
        let (net, members) = (&self.net, &self.members);
        if let Some(user) = user
            && !members.users.admit(net, &members.lease, user.as_str(), limits.per_user).await?
        {
            return Ok(Err(Refusal::User));
        }
        let of_user = OfUser { members, user };
        if !members.permits.take(net, &members.lease, limits.total).await? {
            return Ok(Err(Refusal::Total));
        }
        of_user.keep();
        Ok(Ok(()))
    }

    fn admit_locally(&self, user: Option<&UserId>, limits: Limits) -> Result<(), Refusal> {
        let members = &self.members;
        if user.is_some_and(|user| !members.users.admit_locally(user.as_str(), limits.per_user)) {
            return Err(Refusal::User);
        }
        let of_user = OfUser { members, user };
        if !members.permits.take_locally(limits.total) {
            return Err(Refusal::Total);
        }
        of_user.keep();
        Ok(())
    }
}

/// Asks for a channel; see [`Running::want`].
fn want(net: &Net, partition: names::Partition, channel: String) -> Option<oneshot::Receiver<()>> {
    let place = || net.owner(partition).map_or(subscriptions::NOWHERE, |node| node.id);
    let wait = net.subscriptions.want(channel, partition, place);
    if wait.is_some()
        && let Some(node) = net.owner(partition)
        && let Some(link) = &node.link
    {
        link.wake();
    }
    wait
}

/// A place of a user that goes back, unless there is one among all for it.
struct OfUser<'a> {
    members: &'a Membership,
    user: Option<&'a UserId>,
}

impl OfUser<'_> {
    fn keep(mut self) {
        self.user = None;
        self.members.connections_changed.notify_one();
    }
}

impl Drop for OfUser<'_> {
    fn drop(&mut self) {
        if let Some(user) = self.user {
            self.members.users.release(user.as_str());
        }
    }
}

impl Drop for RedisBackend {
    fn drop(&mut self) {
        if let Some(running) = self.running.get() {
            running.net.abandon();
        }
    }
}

impl Backend for RedisBackend {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn start(&self, sink: Weak<dyn Sink>) -> Result<(), Error> {
        let incarnation = sink.upgrade().map_or(0, |sink| sink.incarnation());
        // Set again where the first start failed, by the same layer.
        let _ = self.sink.set(sink);
        let running = start::start(&self.config, &self.sink, incarnation).await?;
        self.running.set(running).map_err(|_| Error::backend("This backend already belongs to a layer."))
    }

    async fn stop(&self) {
        if let Some(running) = self.running.get() {
            running.members.leave().await;
            running.net.stop().await;
        }
    }

    async fn subscribe(&self, topic: Topic<'_>) -> Result<(), Error> {
        match self.running()?.want(topic) {
            // It fails only where the topic is not wanted any more.
            Some(live) => live.await.map_err(|_| Error::backend("The topic was left meanwhile.").with_retryable(false)),
            None => Ok(()),
        }
    }

    fn unsubscribe(&self, topic: Topic<'_>) {
        if let Some(running) = self.running.get() {
            running.net.subscriptions.unwant(&running.net.names.channel(topic).1);
        }
    }

    async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        let running = self.running()?;
        publish::publish(&running.net, running.incarnation, topic, &envelope).await
    }

    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Error> {
        let running = self.running()?;
        match running.admit(user, limits).await {
            Ok(answer) => Ok(answer),
            Err(fault) if self.is_local() => {
                tracing::debug!(%fault, "a connection is admitted by what this server knows");
                Ok(running.admit_locally(user, limits))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn release(&self, user: Option<&UserId>) {
        let Some(running) = self.running.get() else { return };
        if let Some(user) = user {
            running.members.users.release(user.as_str());
        }
        running.members.permits.give_back();
        running.members.connections_changed.notify_one();
    }

    async fn check_rate(&self, key: &str, rate: Rate) -> Result<Result<(), Duration>, Error> {
        let running = self.running()?;
        match running.rates.check(&running.net, key, rate).await {
            Ok(answer) => Ok(answer),
            Err(fault) if self.is_local() => {
                tracing::debug!(%fault, "a rate is checked by what this server knows");
                Ok(running.rates.check_locally(key, rate))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    async fn claim(&self, claim: &Claim, lease: Duration) -> Result<Claimed, Error> {
        // No fallback: what this server knows alone might be done twice.
        Ok(claims::claim(&self.running()?.net, claim, lease).await?)
    }

    async fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, Error> {
        Ok(claims::settle(&self.running()?.net, claim, settlement).await?)
    }

    async fn counts(&self) -> Result<Counts, Error> {
        Ok(self.running()?.members.counts().await?)
    }

    async fn servers(&self) -> Result<Vec<Server>, Error> {
        Ok(self.running()?.members.servers().await?)
    }

    fn members_changed(&self, group: &str) {
        if let Some(running) = self.running.get() {
            running.members.groups.touch(group);
        }
    }

    async fn members(&self, group: &str) -> Result<usize, Error> {
        let members = &self.running()?.members;
        let own = members.local_members(group);
        Ok(members.groups.total(&members.net, &members.lease, group, own).await?)
    }

    async fn connections_of(&self, user: &UserId) -> Result<usize, Error> {
        let members = &self.running()?.members;
        let own = members.users.local(user.as_str());
        Ok(members.users.total(&members.net, &members.lease, user.as_str(), own).await?)
    }

    fn health(&self) -> Health {
        match self.running.get() {
            Some(Running { net, .. }) => {
                let (live, pending) = net.subscriptions.counts();
                net.reports.health(live, pending)
            }
            None => super::Reports::not_started().health(0, 0),
        }
    }

    fn events(&self) -> Events {
        match self.running.get() {
            Some(running) => running.net.reports.events(),
            None => super::Reports::not_started().events(),
        }
    }

    fn sweep(&self) {
        if let Some(running) = self.running.get() {
            running.rates.sweep();
        }
    }
}
