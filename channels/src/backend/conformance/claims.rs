//! What is done once, by whoever claims it first on any node.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, Node};
use crate::backend::{Backend, Claim, Claimed, Settlement};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);
/// Short, and long beside what a question takes over a network.
const SHORT: Duration = Duration::from_millis(500);
/// How much later than told a backend may notice that a time is over.
const LATER: Duration = Duration::from_secs(5);
/// How many claim at once.
const MANY: usize = 24;

async fn claim<B: Backend>(check: &str, node: &Node<B>, claim: &Claim, lease: Duration) -> Claimed {
    match node.backend.claim(claim, lease).await {
        Ok(claimed) => claimed,
        Err(error) => panic!("{check}: nobody can tell whose {:?} is: {error}", claim.key),
    }
}

async fn settle<B: Backend>(check: &str, node: &Node<B>, claim: &Claim, settlement: Settlement) -> bool {
    match node.backend.settle(claim, settlement).await {
        Ok(was_theirs) => was_theirs,
        Err(error) => panic!("{check}: {:?} cannot be settled: {error}", claim.key),
    }
}

fn done(words: &'static str) -> Settlement {
    Settlement::Done(Bytes::from_static(words.as_bytes()), LONG)
}

/// Of many who claim one key at once one is to do it, and each other key is somebody's own.
///
/// # Panics
///
/// Where nobody or more than one is told to, or the same attempt gets another answer.
pub async fn claims_are_exclusive<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "claims_are_exclusive";
    let cluster = Cluster::start(CHECK, make).await;
    for key in ["a", "b", "{x}\u{0}\u{1f980}:a", ""] {
        let mut asked = JoinSet::new();
        for number in 0..MANY {
            let (node, asks) = (cluster.node(number).clone(), Claim::new(key));
            asked.spawn(async move { (claim(CHECK, &node, &asks, LONG).await, asks) });
        }
        let answers = asked.join_all().await;
        let theirs: Vec<_> = answers.iter().filter(|(claimed, _)| *claimed == Claimed::Yours).collect();
        let [(_, holder)] = &theirs[..] else { panic!("{CHECK}: {} are to do {key:?}", theirs.len()) };
        assert!(
            answers.iter().all(|(claimed, _)| !matches!(claimed, Claimed::Settled(_))),
            "{CHECK}: {key:?} is not done"
        );
        for node in &cluster.nodes {
            let again = claim(CHECK, node, holder, LONG).await;
            assert_eq!(again, Claimed::Yours, "{CHECK}: the same attempt has the same answer");
        }
    }
    cluster.stop().await;
}

/// What was left is told to everybody, as the bytes that it was.
///
/// # Panics
///
/// Where it is not, or somebody is to do it again.
pub async fn what_is_settled_is_told_to_all<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "what_is_settled_is_told_to_all";
    let cluster = Cluster::start(CHECK, make).await;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    for (number, answer) in [Vec::new(), b"0".to_vec(), every_byte, vec![b'x'; 300_000]].into_iter().enumerate() {
        let (asks, answer) = (Claim::new(format!("done {number}")), Bytes::from(answer));
        assert_eq!(claim(CHECK, cluster.node(number), &asks, LONG).await, Claimed::Yours, "{CHECK}");
        let settlement = Settlement::Done(answer.clone(), LONG);
        assert!(settle(CHECK, cluster.node(number + 1), &asks, settlement.clone()).await, "{CHECK}: it was theirs");
        assert!(
            settle(CHECK, cluster.node(number), &asks, settlement).await,
            "{CHECK}: who did not hear so asks again"
        );
        assert!(!settle(CHECK, cluster.node(number), &asks, done("another")).await, "{CHECK}: it has been settled");
        for node in &cluster.nodes {
            let told = claim(CHECK, node, &Claim::new(&asks.key), LONG).await;
            assert_eq!(told, Claimed::Settled(answer.clone()), "{CHECK}: another answer of {} bytes", answer.len());
        }
    }
    cluster.stop().await;
}

/// Who abandons a claim leaves it to the next.
///
/// # Panics
///
/// Where nobody is to do it then, or more than one.
pub async fn what_is_abandoned_is_claimed_again<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "what_is_abandoned_is_claimed_again";
    let cluster = Cluster::start(CHECK, make).await;
    let (first, second, third) = (Claim::new("again"), Claim::new("again"), Claim::new("again"));
    assert_eq!(claim(CHECK, cluster.node(0), &first, LONG).await, Claimed::Yours, "{CHECK}");
    assert_eq!(claim(CHECK, cluster.node(1), &second, LONG).await, Claimed::Running, "{CHECK}");
    assert!(settle(CHECK, cluster.node(0), &first, Settlement::Abandoned).await, "{CHECK}: it was theirs");
    assert_eq!(claim(CHECK, cluster.node(1), &second, LONG).await, Claimed::Yours, "{CHECK}: it was abandoned");
    assert_eq!(claim(CHECK, cluster.node(0), &third, LONG).await, Claimed::Running, "{CHECK}");
    cluster.stop().await;
}

/// Nobody settles what is not theirs.
///
/// # Panics
///
/// Where somebody does.
pub async fn only_the_holder_settles<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "only_the_holder_settles";
    let cluster = Cluster::start(CHECK, make).await;
    let (holder, other) = (Claim::new("mine"), Claim::new("mine"));
    assert!(!settle(CHECK, cluster.node(0), &holder, done("early")).await, "{CHECK}: nobody has claimed it");
    assert_eq!(claim(CHECK, cluster.node(0), &holder, LONG).await, Claimed::Yours, "{CHECK}");
    for settlement in [done("theirs"), Settlement::Abandoned] {
        assert!(!settle(CHECK, cluster.node(1), &other, settlement).await, "{CHECK}: it is somebody else's");
    }
    assert_eq!(claim(CHECK, cluster.node(1), &other, LONG).await, Claimed::Running, "{CHECK}: nothing has changed");
    assert!(settle(CHECK, cluster.node(0), &holder, done("first")).await, "{CHECK}: it was theirs");
    assert!(!settle(CHECK, cluster.node(0), &holder, Settlement::Abandoned).await, "{CHECK}: it has been settled");
    let told = claim(CHECK, cluster.node(1), &other, LONG).await;
    assert_eq!(told, Claimed::Settled(Bytes::from_static(b"first")), "{CHECK}: what was left first stays");
    cluster.stop().await;
}

/// A claim ends with its lease, and what is kept with its time; not before.
///
/// # Panics
///
/// Where it does not, or who comes too late settles it all the same.
pub async fn claims_end_with_their_lease<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "claims_end_with_their_lease";
    let cluster = Cluster::start(CHECK, make).await;
    let (late, next, last) = (Claim::new("short"), Claim::new("short"), Claim::new("short"));
    let began = Instant::now();
    assert_eq!(claim(CHECK, cluster.node(0), &late, SHORT).await, Claimed::Yours, "{CHECK}");
    becomes_theirs(&cluster, &next, began, "the lease").await;
    assert!(!settle(CHECK, cluster.node(0), &late, done("late")).await, "{CHECK}: it is somebody else's by now");
    let began = Instant::now();
    let kept = Settlement::Done(Bytes::from_static(b"next"), SHORT);
    assert!(settle(CHECK, cluster.node(1), &next, kept).await, "{CHECK}: it was theirs");
    becomes_theirs(&cluster, &last, began, "what was kept").await;
    cluster.stop().await;
}

/// Asks until it is theirs, which is after [`SHORT`] and soon then.
async fn becomes_theirs<B: Backend>(cluster: &Cluster<B>, asks: &Claim, began: Instant, what: &str) {
    const CHECK: &str = "claims_end_with_their_lease";
    while claim(CHECK, cluster.node(1), asks, LONG).await != Claimed::Yours {
        assert!(began.elapsed() < SHORT + LATER, "{CHECK}: {what} does not end");
        tokio::time::sleep(SHORT / 20).await;
    }
    // A clock that counts in milliseconds may be one early.
    let early = Duration::from_millis(2);
    assert!(began.elapsed() + early >= SHORT, "{CHECK}: {what} ended after {:?}", began.elapsed());
}
