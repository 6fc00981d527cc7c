//! The nodes of one cluster, started, each with its recorder.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::recorder::{PATIENCE, Recorder};
use crate::backend::{Backend, Counts, Destination, Envelope, Limits, Published, Refusal, Sink};
use crate::id::UserId;

/// How long a check waits before it looks again at what a backend settles later.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub(super) struct Node<B> {
    check: &'static str,
    pub(super) backend: Arc<B>,
    pub(super) sink: Arc<Recorder>,
}

impl<B> Clone for Node<B> {
    fn clone(&self) -> Self {
        Self { check: self.check, backend: Arc::clone(&self.backend), sink: Arc::clone(&self.sink) }
    }
}

pub(super) struct Cluster<B> {
    check: &'static str,
    pub(super) nodes: Vec<Node<B>>,
}

impl<B: Backend> Cluster<B> {
    /// A new cluster, named after the check that it is for.
    pub(super) async fn start(check: &'static str, make: impl AsyncFn() -> Vec<B>) -> Self {
        let backends = make().await;
        assert!(!backends.is_empty(), "{check}: the maker gave no node");
        let mut nodes = Vec::with_capacity(backends.len());
        for (backend, incarnation) in backends.into_iter().zip(1..) {
            let node = Node { check, backend: Arc::new(backend), sink: Arc::new(Recorder::new(incarnation)) };
            let sink: Arc<dyn Sink> = Arc::clone(&node.sink) as Arc<dyn Sink>;
            if let Err(error) = node.backend.start(Arc::downgrade(&sink)).await {
                panic!("{check}: a node does not start: {error}");
            }
            let health = node.backend.health();
            assert!(health.connected, "{check}: a node is not healthy after its start: {health:?}");
            nodes.push(node);
        }
        Self { check, nodes }
    }

    /// A node by a number of any size.
    pub(super) fn node(&self, number: usize) -> &Node<B> {
        &self.nodes[number % self.nodes.len()]
    }

    pub(super) async fn subscribe_all(&self, at: &Destination) {
        for node in &self.nodes {
            node.subscribe(at).await;
        }
    }

    /// Waits until every node counts the same as expected.
    pub(super) async fn counts(&self, expected: Counts) {
        let limit = Instant::now() + PATIENCE;
        for node in &self.nodes {
            loop {
                let counts = node.counts().await;
                if counts == expected {
                    break;
                }
                let check = self.check;
                assert!(Instant::now() < limit, "{check}: there are {expected:?}, and a node counts {counts:?}");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Waits until nobody has a place any more.
    pub(super) async fn empty(&self) {
        self.counts(Counts { servers: self.nodes.len(), connections: 0, users: 0 }).await;
    }

    pub(super) async fn stop(self) {
        for node in &self.nodes {
            node.backend.stop().await;
        }
    }
}

impl<B: Backend> Node<B> {
    pub(super) async fn subscribe(&self, at: &Destination) {
        if let Err(error) = self.backend.subscribe(at.as_topic()).await {
            panic!("{}: {at:?} cannot be subscribed: {error}", self.check);
        }
    }

    pub(super) fn unsubscribe(&self, at: &Destination) {
        self.backend.unsubscribe(at.as_topic());
    }

    pub(super) async fn publish(&self, at: &Destination, envelope: Envelope) -> Published {
        match self.backend.publish(at.as_topic(), envelope).await {
            Ok(published) => published,
            Err(error) => panic!("{}: a message to {at:?} was not taken: {error}", self.check),
        }
    }

    pub(super) async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<(), Refusal> {
        match self.backend.admit(user, limits).await {
            Ok(answer) => answer,
            Err(error) => panic!("{}: nobody can tell whether {user:?} may connect: {error}", self.check),
        }
    }

    /// Asks until there is a place: one that was given back may be free only a little later.
    pub(super) async fn admit_soon(&self, user: Option<&UserId>, limits: Limits) {
        let limit = Instant::now() + PATIENCE;
        while let Err(refusal) = self.admit(user, limits).await {
            let check = self.check;
            assert!(Instant::now() < limit, "{check}: a place of {user:?} is not free again: {refusal:?}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn counts(&self) -> Counts {
        match self.backend.counts().await {
            Ok(counts) => counts,
            Err(error) => panic!("{}: nobody can count: {error}", self.check),
        }
    }
}
