//! `#[authorize]`, asked for every join of a consumer's connections, whoever asks for it.

use std::marker::PhantomData;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Consumer;
use crate::connection::{Connection, Gate};
use crate::error::Error;
use crate::extract::Context;
use crate::layer::ChannelLayer;

/// One for all connections of a route that have the same state: what the hook needs besides the connection.
pub(crate) struct Asks<C: Consumer> {
    layer: ChannelLayer,
    state: C::State,
    consumer: PhantomData<fn() -> C>,
}

impl<C: Consumer> Asks<C> {
    pub(crate) fn new(layer: ChannelLayer, state: C::State) -> Self {
        Self { layer, state, consumer: PhantomData }
    }
}

impl<C: Consumer> Gate for Asks<C> {
    fn may_join<'a>(&'a self, connection: &'a Connection, group: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move { C::authorize(&Context::new(connection, &self.layer, &self.state, group)).await }.boxed()
    }
}
