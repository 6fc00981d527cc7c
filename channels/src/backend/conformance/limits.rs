//! Places for connections: never too many, each given back once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{FutureExt, poll};
use tokio::task::JoinSet;

use super::cluster::{Cluster, Node};
use super::delivery::finished;
use super::recorder::user;
use crate::backend::{Backend, Counts, Limits, Refusal};
use crate::id::UserId;

/// How many ask at once.
const CROWD: usize = 100;
const LIMIT: usize = 10;
const PLENTY: usize = 1_000_000;

/// 100 ask at once for 10 places, from every node, and give them back, again and again.
struct Crowd {
    check: &'static str,
    limits: Limits,
    inside: AtomicUsize,
}

impl Crowd {
    async fn pass<B: Backend>(self: Arc<Self>, node: Node<B>, user: Option<UserId>, refusal: Refusal) {
        let check = self.check;
        for _ in 0..5 {
            match node.admit(user.as_ref(), self.limits).await {
                Ok(()) => {
                    // Counted after the place was taken and before it is given back: never more than there are.
                    let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
                    assert!(inside <= LIMIT, "{check}: {inside} are inside, and {LIMIT} may be");
                    tokio::task::yield_now().await;
                    self.inside.fetch_sub(1, Ordering::SeqCst);
                    node.backend.release(user.as_ref());
                }
                Err(refused) => assert_eq!(refused, refusal, "{check}: refused for another limit"),
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn crowd<B: Backend>(
    cluster: &Cluster<B>,
    check: &'static str,
    limits: Limits,
    who: impl Fn(usize) -> (Option<UserId>, Refusal),
) {
    let crowd = Arc::new(Crowd { check, limits, inside: AtomicUsize::new(0) });
    let mut tasks = JoinSet::new();
    for number in 0..CROWD {
        let (user, refusal) = who(number);
        tasks.spawn(Arc::clone(&crowd).pass(cluster.node(number).clone(), user, refusal));
    }
    finished(check, tasks).await;
    cluster.empty().await;
}

/// A user never has more places than one may, on all nodes together, and exactly so many.
///
/// # Panics
///
/// Where it has more or fewer.
pub async fn user_limit<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "user_limit";
    let cluster = Cluster::start(CHECK, make).await;
    let (ada, bob) = (user("ada"), user("bob"));
    let limits = Limits { per_user: LIMIT, total: PLENTY };
    crowd(&cluster, CHECK, limits, |_| (Some(ada.clone()), Refusal::User)).await;
    for number in 0..LIMIT {
        let admitted = cluster.node(number).admit(Some(&ada), limits).await;
        assert_eq!(admitted, Ok(()), "{CHECK}: place {} of {LIMIT}", number + 1);
    }
    for node in &cluster.nodes {
        assert_eq!(node.admit(Some(&ada), limits).await, Err(Refusal::User), "{CHECK}: one too many");
        assert_eq!(node.admit(Some(&bob), limits).await, Ok(()), "{CHECK}: another user has places of their own");
        assert_eq!(node.admit(None, limits).await, Ok(()), "{CHECK}: an anonymous connection has no user's limit");
    }
    let nodes = cluster.nodes.len();
    cluster.counts(Counts { servers: nodes, connections: LIMIT + 2 * nodes, users: 2 }).await;
    cluster.stop().await;
}

/// All nodes together never give more places than there are.
///
/// # Panics
///
/// Where they do, or one node alone gives fewer.
pub async fn total_limit<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "total_limit";
    let cluster = Cluster::start(CHECK, make).await;
    let limits = Limits { per_user: PLENTY, total: LIMIT };
    let who = |number: usize| (number.is_multiple_of(2).then(|| user(&format!("user-{number}"))), Refusal::Total);
    crowd(&cluster, CHECK, limits, who).await;
    let mut admitted = 0;
    for number in 0..CROWD {
        match cluster.node(number).admit(who(number).0.as_ref(), limits).await {
            Ok(()) => admitted += 1,
            Err(refusal) => assert_eq!(refusal, Refusal::Total, "{CHECK}: refused for another limit"),
        }
    }
    assert!(admitted <= LIMIT, "{CHECK}: {admitted} are inside, and {LIMIT} may be");
    // Several nodes may hold some in reserve.
    assert!(admitted == LIMIT || cluster.nodes.len() > 1 && admitted > 0, "{CHECK}: only {admitted} of {LIMIT}");
    cluster.stop().await;
}

/// Who is nobody counts in the total only.
///
/// # Panics
///
/// Where anonymous connections have a user's limit, or none.
pub async fn anonymous_limit<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "anonymous_limit";
    let cluster = Cluster::start(CHECK, make).await;
    let node = cluster.node(0);
    let limits = Limits { per_user: 1, total: 3 };
    for _ in 0..3 {
        assert_eq!(node.admit(None, limits).await, Ok(()), "{CHECK}: nobody has a limit of their own");
    }
    assert_eq!(node.admit(None, limits).await, Err(Refusal::Total), "{CHECK}: all places are taken");
    cluster.counts(Counts { servers: cluster.nodes.len(), connections: 3, users: 0 }).await;
    for _ in 0..3 {
        node.backend.release(None);
    }
    cluster.empty().await;
    cluster.stop().await;
}

/// One place given back is one place free, and a refusal takes none.
///
/// # Panics
///
/// Where more or fewer are.
pub async fn places_are_given_back<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "places_are_given_back";
    let cluster = Cluster::start(CHECK, make).await;
    let ada = user("ada");
    let limits = Limits { per_user: LIMIT, total: PLENTY };
    for number in 0..LIMIT {
        cluster.node(number).admit_soon(Some(&ada), limits).await;
    }
    for number in 0..LIMIT {
        let node = cluster.node(number);
        assert_eq!(node.admit(Some(&ada), limits).await, Err(Refusal::User), "{CHECK}: all are taken");
        node.backend.release(Some(&ada));
        cluster.node(number + 1).admit_soon(Some(&ada), limits).await;
        node.backend.release(Some(&ada));
        node.admit_soon(Some(&ada), limits).await;
        assert_eq!(node.admit(Some(&ada), limits).await, Err(Refusal::User), "{CHECK}: one was free, not two");
    }
    cluster.counts(Counts { servers: cluster.nodes.len(), connections: LIMIT, users: 1 }).await;
    cluster.stop().await;
}

/// Whoever stops waiting for an answer has no place.
///
/// # Panics
///
/// Where a place is lost.
pub async fn dropped_admission<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "dropped_admission";
    let cluster = Cluster::start(CHECK, make).await;
    let ada = user("ada");
    let limits = Limits { per_user: LIMIT, total: LIMIT };
    for number in 0..2 * LIMIT {
        let node = cluster.node(number);
        drop(node.backend.admit(Some(&ada), limits));
        let mut asked = pin!(node.backend.admit(Some(&ada), limits).boxed());
        if let std::task::Poll::Ready(Ok(Ok(()))) = poll!(asked.as_mut()) {
            node.backend.release(Some(&ada));
        }
    }
    cluster.empty().await;
    for _ in 0..LIMIT {
        cluster.node(0).admit_soon(Some(&ada), limits).await;
    }
    cluster.stop().await;
}

/// Every node counts what all of them have.
///
/// # Panics
///
/// Where one does not, in time.
pub async fn counts_add_up<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "counts_add_up";
    let cluster = Cluster::start(CHECK, make).await;
    let servers = cluster.nodes.len();
    let limits = Limits { per_user: PLENTY, total: PLENTY };
    cluster.empty().await;
    let connections = [Some(user("ada")), Some(user("ada")), Some(user("bob")), None];
    for (number, who) in connections.iter().enumerate() {
        assert_eq!(cluster.node(number).admit(who.as_ref(), limits).await, Ok(()), "{CHECK}");
    }
    cluster.counts(Counts { servers, connections: 4, users: 2 }).await;
    cluster.node(0).backend.release(connections[0].as_ref());
    cluster.counts(Counts { servers, connections: 3, users: 2 }).await;
    for (number, who) in connections.iter().enumerate().skip(1) {
        cluster.node(number).backend.release(who.as_ref());
    }
    cluster.empty().await;
    cluster.stop().await;
}
