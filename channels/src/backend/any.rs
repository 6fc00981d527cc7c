//! The choice of a backend at run time, with direct calls for our own.

use std::sync::Weak;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

#[cfg(feature = "redis")]
use super::RedisBackend;
use super::{
    Backend, Claim, Claimed, Counts, Envelope, Events, Health, Limits, MemoryBackend, Published, Refusal, Server,
    Settlement, Sink, Topic,
};
use crate::config::Rate;
use crate::error::Error;
use crate::id::UserId;

/// One of the known backends, or somebody's own behind a box.
pub(crate) enum AnyBackend {
    Memory(MemoryBackend),
    #[cfg(feature = "redis")]
    Redis(Box<RedisBackend>),
    Custom(Box<dyn DynBackend>),
}

impl AnyBackend {
    pub(crate) fn custom(backend: impl Backend) -> Self {
        Self::Custom(Box::new(backend))
    }
}

/// [`Backend`] with boxed futures.
pub(crate) trait DynBackend: Send + Sync {
    fn name(&self) -> &'static str;
    fn start(&self, sink: Weak<dyn Sink>) -> BoxFuture<'_, Result<(), Error>>;
    fn stop(&self) -> BoxFuture<'_, ()>;
    fn subscribe<'a>(&'a self, topic: Topic<'a>) -> BoxFuture<'a, Result<(), Error>>;
    fn unsubscribe(&self, topic: Topic<'_>);
    fn publish<'a>(&'a self, topic: Topic<'a>, envelope: Envelope) -> BoxFuture<'a, Result<Published, Error>>;
    fn admit<'a>(
        &'a self,
        user: Option<&'a UserId>,
        limits: Limits,
    ) -> BoxFuture<'a, Result<Result<(), Refusal>, Error>>;
    fn release(&self, user: Option<&UserId>);
    fn check_rate<'a>(&'a self, key: &'a str, rate: Rate) -> BoxFuture<'a, Result<Result<(), Duration>, Error>>;
    fn claim<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<Claimed, Error>>;
    fn settle<'a>(&'a self, claim: &'a Claim, settlement: Settlement) -> BoxFuture<'a, Result<bool, Error>>;
    fn counts(&self) -> BoxFuture<'_, Result<Counts, Error>>;
    fn servers(&self) -> BoxFuture<'_, Result<Vec<Server>, Error>>;
    fn members_changed(&self, group: &str);
    fn members<'a>(&'a self, group: &'a str) -> BoxFuture<'a, Result<usize, Error>>;
    fn connections_of<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<usize, Error>>;
    fn health(&self) -> Health;
    fn events(&self) -> Events;
    fn sweep(&self);
}

impl<B: Backend> DynBackend for B {
    fn name(&self) -> &'static str {
        Backend::name(self)
    }

    fn start(&self, sink: Weak<dyn Sink>) -> BoxFuture<'_, Result<(), Error>> {
        Backend::start(self, sink).boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Backend::stop(self).boxed()
    }

    fn subscribe<'a>(&'a self, topic: Topic<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Backend::subscribe(self, topic).boxed()
    }

    fn unsubscribe(&self, topic: Topic<'_>) {
        Backend::unsubscribe(self, topic);
    }

    fn publish<'a>(&'a self, topic: Topic<'a>, envelope: Envelope) -> BoxFuture<'a, Result<Published, Error>> {
        Backend::publish(self, topic, envelope).boxed()
    }

    fn admit<'a>(
        &'a self,
        user: Option<&'a UserId>,
        limits: Limits,
    ) -> BoxFuture<'a, Result<Result<(), Refusal>, Error>> {
        Backend::admit(self, user, limits).boxed()
    }

    fn release(&self, user: Option<&UserId>) {
        Backend::release(self, user);
    }

    fn check_rate<'a>(&'a self, key: &'a str, rate: Rate) -> BoxFuture<'a, Result<Result<(), Duration>, Error>> {
        Backend::check_rate(self, key, rate).boxed()
    }

    fn claim<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<Claimed, Error>> {
        Backend::claim(self, claim, lease).boxed()
    }

    fn settle<'a>(&'a self, claim: &'a Claim, settlement: Settlement) -> BoxFuture<'a, Result<bool, Error>> {
        Backend::settle(self, claim, settlement).boxed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts, Error>> {
        Backend::counts(self).boxed()
    }

    fn servers(&self) -> BoxFuture<'_, Result<Vec<Server>, Error>> {
        Backend::servers(self).boxed()
    }

    fn members_changed(&self, group: &str) {
        Backend::members_changed(self, group);
    }

    fn members<'a>(&'a self, group: &'a str) -> BoxFuture<'a, Result<usize, Error>> {
        Backend::members(self, group).boxed()
    }

    fn connections_of<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<usize, Error>> {
        Backend::connections_of(self, user).boxed()
    }

    fn health(&self) -> Health {
        Backend::health(self)
    }

    fn events(&self) -> Events {
        Backend::events(self)
    }

    fn sweep(&self) {
        Backend::sweep(self);
    }
}

/// Calls the same method of whichever backend it is, and awaits it where it is to be awaited.
macro_rules! each {
    ($self:ident, $method:ident($($argument:expr),*) $(.$await:tt)?) => {
        match $self {
            AnyBackend::Memory(backend) => Backend::$method(backend, $($argument),*) $(.$await)?,
            #[cfg(feature = "redis")]
            AnyBackend::Redis(backend) => Backend::$method(&**backend, $($argument),*) $(.$await)?,
            AnyBackend::Custom(backend) => backend.$method($($argument),*) $(.$await)?,
        }
    };
}

impl Backend for AnyBackend {
    fn name(&self) -> &'static str {
        each!(self, name())
    }

    async fn start(&self, sink: Weak<dyn Sink>) -> Result<(), Error> {
        each!(self, start(sink).await)
    }

    async fn stop(&self) {
        each!(self, stop().await);
    }

    async fn subscribe(&self, topic: Topic<'_>) -> Result<(), Error> {
        each!(self, subscribe(topic).await)
    }

    fn unsubscribe(&self, topic: Topic<'_>) {
        each!(self, unsubscribe(topic))
    }

    async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        each!(self, publish(topic, envelope).await)
    }

    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Error> {
        each!(self, admit(user, limits).await)
    }

    fn release(&self, user: Option<&UserId>) {
        each!(self, release(user))
    }

    async fn check_rate(&self, key: &str, rate: Rate) -> Result<Result<(), Duration>, Error> {
        each!(self, check_rate(key, rate).await)
    }

    async fn claim(&self, claim: &Claim, lease: Duration) -> Result<Claimed, Error> {
        each!(self, claim(claim, lease).await)
    }

    async fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, Error> {
        each!(self, settle(claim, settlement).await)
    }

    async fn counts(&self) -> Result<Counts, Error> {
        each!(self, counts().await)
    }

    async fn servers(&self) -> Result<Vec<Server>, Error> {
        each!(self, servers().await)
    }

    fn members_changed(&self, group: &str) {
        each!(self, members_changed(group));
    }

    async fn members(&self, group: &str) -> Result<usize, Error> {
        each!(self, members(group).await)
    }

    async fn connections_of(&self, user: &UserId) -> Result<usize, Error> {
        each!(self, connections_of(user).await)
    }

    fn health(&self) -> Health {
        each!(self, health())
    }

    fn events(&self) -> Events {
        each!(self, events())
    }

    fn sweep(&self) {
        each!(self, sweep())
    }
}
