//! Rates that all nodes share, by GCRA: so many at once, refilled evenly.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::task::JoinSet;

use super::cluster::{Cluster, Node};
use super::delivery::finished;
use crate::backend::Backend;
use crate::config::Rate;

/// How many at once.
const BURST: u32 = 5;
/// The time in which one is refilled: long beside what a burst takes over a network.
const EACH: Duration = Duration::from_millis(400);
/// Two servers' clocks, and the backend's, are not read in one moment.
const TOLERANCE: Duration = Duration::from_millis(20);

fn rate() -> Rate {
    let Some(count) = NonZeroU32::new(BURST) else { panic!("no burst") };
    Rate::from_parts(count, EACH * BURST)
}

async fn take<B: Backend>(check: &str, node: &Node<B>, key: &str) -> Result<(), Duration> {
    match node.backend.check_rate(key, rate()).await {
        Ok(answer) => answer,
        Err(error) => panic!("{check}: nobody can tell whether {key:?} may: {error}"),
    }
}

async fn take_burst<B: Backend>(check: &str, cluster: &Cluster<B>, key: &str) {
    for number in 0..BURST {
        let taken = take(check, cluster.node(number as usize), key).await;
        assert_eq!(taken, Ok(()), "{check}: {} of {BURST} at once", number + 1);
    }
}

/// The whole rate may be taken at once, and then no more.
///
/// # Panics
///
/// Where fewer or more pass, or the time to wait is none or too long.
pub async fn rates_allow_a_burst<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "rates_allow_a_burst";
    let cluster = Cluster::start(CHECK, make).await;
    take_burst(CHECK, &cluster, "ada").await;
    match take(CHECK, cluster.node(0), "ada").await {
        Ok(()) => panic!("{CHECK}: one more than {BURST} passed at once"),
        Err(wait) => assert!(!wait.is_zero() && wait <= EACH + TOLERANCE, "{CHECK}: told to wait for {wait:?}"),
    }
    cluster.stop().await;
}

/// Who waits as long as told passes, once for each wait: a rate never starves.
///
/// # Panics
///
/// Where somebody is refused again, or passes twice.
pub async fn rates_refill<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "rates_refill";
    let cluster = Cluster::start(CHECK, make).await;
    take_burst(CHECK, &cluster, "ada").await;
    for round in 0..2 * BURST {
        let node = cluster.node(round as usize);
        let Err(wait) = take(CHECK, node, "ada").await else { panic!("{CHECK}: passed without waiting") };
        tokio::time::sleep(wait + TOLERANCE / 4).await;
        assert_eq!(take(CHECK, node, "ada").await, Ok(()), "{CHECK}: waited for {wait:?}, as told");
    }
    // And who comes back after a long time has the burst again, not more.
    tokio::time::sleep(EACH * (BURST + 1)).await;
    take_burst(CHECK, &cluster, "ada").await;
    assert!(take(CHECK, cluster.node(0), "ada").await.is_err(), "{CHECK}: what was not used was saved up");
    cluster.stop().await;
}

/// One key's use is nobody else's.
///
/// # Panics
///
/// Where two keys share a rate.
pub async fn rates_are_kept_by_key<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "rates_are_kept_by_key";
    let cluster = Cluster::start(CHECK, make).await;
    for key in ["ada", "ad", "ada:", "{ada}", "{}", "*", "ws:ada", "🦀"] {
        take_burst(CHECK, &cluster, key).await;
        assert!(take(CHECK, cluster.node(0), key).await.is_err(), "{CHECK}: {key:?} has no limit");
    }
    cluster.stop().await;
}

/// All nodes together let pass what one would, however many ask at once.
///
/// # Panics
///
/// Where more or fewer pass.
pub async fn rates_are_shared<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "rates_are_shared";
    let cluster = Cluster::start(CHECK, make).await;
    let passed = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    let began = tokio::time::Instant::now();
    for number in 0..100 {
        let (node, passed) = (cluster.node(number).clone(), std::sync::Arc::clone(&passed));
        tasks.spawn(async move {
            if take(CHECK, &node, "everybody").await.is_ok() {
                passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
    }
    finished(CHECK, tasks).await;
    let passed = passed.load(std::sync::atomic::Ordering::Relaxed);
    // On a slow day some are refilled while the others still ask.
    let refilled = (began.elapsed() + TOLERANCE).div_duration_f64(EACH) as u32;
    let allowed = BURST..=BURST + refilled;
    assert!(allowed.contains(&passed), "{CHECK}: {passed} passed, and {allowed:?} may");
    cluster.stop().await;
}
