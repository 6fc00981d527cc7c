//! A route with its state. Where `#[authorize]` is asked with it, each `with_state` makes one of these, so that routers with
//! different states, such as one for each tenant, may share a route, and it is the state of the connection that joins.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use axum::extract::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::connection::{Gate, Link};

/// What the connections have in common that came by one route with one state.
#[derive(Default)]
pub(super) struct Instance {
    /// `#[authorize]` with the state, which only a request shows.
    pub(super) gate: OnceLock<Arc<dyn Gate>>,
    /// One for each outcome of a negotiation there has been.
    pub(super) links: Mutex<Vec<Arc<Link>>>,
}

/// Gives each request the instance that it belongs to. axum calls a route's layers when it is given its state, and never says
/// so otherwise. That is once for a route of a router, and for each request where the route is somebody's handler, such as
/// `Router::fallback`'s.
#[derive(Clone)]
pub(super) struct Instances {
    /// Where nothing depends on the state, or all states are alike.
    only: Option<Arc<Instance>>,
}

impl Instances {
    pub(super) fn of<S>(authorizes: bool) -> Self {
        // A state without content, as of a router that has none, is all the same. Such routers are given it again and again, for
        // each client of `axum::serve`.
        let are_alike = !authorizes || size_of::<S>() == 0;
        Self { only: are_alike.then(Arc::default) }
    }
}

impl<R> Layer<R> for Instances {
    type Service = Belongs<R>;

    fn layer(&self, route: R) -> Belongs<R> {
        Belongs { route, to: self.only.clone().unwrap_or_default() }
    }
}

#[derive(Clone)]
pub(super) struct Belongs<R> {
    route: R,
    to: Arc<Instance>,
}

impl<R: Service<Request>> Service<Request> for Belongs<R> {
    type Response = R::Response;
    type Error = R::Error;
    type Future = R::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), R::Error>> {
        self.route.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> R::Future {
        request.extensions_mut().insert(Arc::clone(&self.to));
        self.route.call(request)
    }
}

/// The one that a request belongs to, which is told once.
pub(super) fn of(request: &mut Request) -> Arc<Instance> {
    request.extensions_mut().remove().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_with_a_state_has_one_for_each() {
        let are_one = |instances: Instances| Arc::ptr_eq(&instances.layer(()).to, &instances.layer(()).to);
        assert!(are_one(Instances::of::<u8>(false)));
        assert!(are_one(Instances::of::<()>(true)));
        assert!(!are_one(Instances::of::<u8>(true)));
    }
}
