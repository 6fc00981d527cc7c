//! The choice of a backend at run time, with direct calls for our own.

use std::sync::Weak;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Backend, Counts, Envelope, Limits, MemoryBackend, Published, Refusal, Sink, Topic};
use crate::config::Rate;
use crate::error::Error;
use crate::id::UserId;

/// One of the known backends, or somebody's own behind a box.
pub(crate) enum AnyBackend {
    Memory(MemoryBackend),
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
    fn counts(&self) -> BoxFuture<'_, Result<Counts, Error>>;
    fn health(&self) -> BoxFuture<'_, Result<(), Error>>;
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

    fn counts(&self) -> BoxFuture<'_, Result<Counts, Error>> {
        Backend::counts(self).boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<(), Error>> {
        Backend::health(self).boxed()
    }

    fn sweep(&self) {
        Backend::sweep(self);
    }
}

/// Calls the same method of whichever backend it is, and awaits it.
macro_rules! each_awaited {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match $self {
            AnyBackend::Memory(backend) => Backend::$method(backend, $($argument),*).await,
            AnyBackend::Custom(backend) => backend.$method($($argument),*).await,
        }
    };
}

impl Backend for AnyBackend {
    fn name(&self) -> &'static str {
        match self {
            Self::Memory(backend) => Backend::name(backend),
            Self::Custom(backend) => backend.name(),
        }
    }

    async fn start(&self, sink: Weak<dyn Sink>) -> Result<(), Error> {
        each_awaited!(self, start(sink))
    }

    async fn stop(&self) {
        each_awaited!(self, stop());
    }

    async fn subscribe(&self, topic: Topic<'_>) -> Result<(), Error> {
        each_awaited!(self, subscribe(topic))
    }

    fn unsubscribe(&self, topic: Topic<'_>) {
        match self {
            Self::Memory(backend) => Backend::unsubscribe(backend, topic),
            Self::Custom(backend) => backend.unsubscribe(topic),
        }
    }

    async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        each_awaited!(self, publish(topic, envelope))
    }

    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Error> {
        each_awaited!(self, admit(user, limits))
    }

    fn release(&self, user: Option<&UserId>) {
        match self {
            Self::Memory(backend) => Backend::release(backend, user),
            Self::Custom(backend) => backend.release(user),
        }
    }

    async fn check_rate(&self, key: &str, rate: Rate) -> Result<Result<(), Duration>, Error> {
        each_awaited!(self, check_rate(key, rate))
    }

    async fn counts(&self) -> Result<Counts, Error> {
        each_awaited!(self, counts())
    }

    async fn health(&self) -> Result<(), Error> {
        each_awaited!(self, health())
    }

    fn sweep(&self) {
        match self {
            Self::Memory(backend) => Backend::sweep(backend),
            Self::Custom(backend) => backend.sweep(),
        }
    }
}
