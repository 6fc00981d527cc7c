//! Rates that all nodes share, by GCRA: so many at once, refilled evenly.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

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
    take_of(check, node, key, rate()).await
}

async fn take_of<B: Backend>(check: &str, node: &Node<B>, key: &str, rate: Rate) -> Result<(), Duration> {
    match node.backend.check_rate(key, rate).await {
        Ok(answer) => answer,
        Err(error) => panic!("{check}: nobody can tell whether {key:?} may: {error}"),
    }
}

/// Takes until it is refused, and says how long to wait. As many pass as may at once, and no more but what
/// is refilled meanwhile: a busy machine may stand still between two of them.
async fn exhaust<B: Backend>(check: &str, cluster: &Cluster<B>, key: &str) -> Duration {
    let began = Instant::now();
    for passed in 0.. {
        match take(check, cluster.node(passed as usize), key).await {
            Ok(()) => {
                let allowed = BURST + refilled(began);
                assert!(passed < allowed, "{check}: {} of {key:?} passed at once, and {allowed} may", passed + 1);
            }
            Err(wait) => {
                assert!(passed >= BURST, "{check}: {passed} of {key:?} passed at once, and {BURST} may");
                assert!(!wait.is_zero() && wait <= EACH + TOLERANCE, "{check}: told to wait for {wait:?}");
                return wait;
            }
        }
    }
    unreachable!("the loop has no end")
}

/// How many are refilled since then, at most.
fn refilled(since: Instant) -> u32 {
    (since.elapsed() + TOLERANCE).div_duration_f64(EACH) as u32
}

/// The whole rate may be taken at once, and then no more.
///
/// # Panics
///
/// Where fewer or more pass, or the time to wait is none or too long.
pub async fn rates_allow_a_burst<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "rates_allow_a_burst";
    let cluster = Cluster::start(CHECK, make).await;
    exhaust(CHECK, &cluster, "ada").await;
    cluster.stop().await;
}

/// Who waits as long as told passes, once for each wait: a rate never starves.
///
/// # Panics
///
/// Where somebody is refused again, or more pass than were refilled.
pub async fn rates_refill<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "rates_refill";
    let cluster = Cluster::start(CHECK, make).await;
    let began = Instant::now();
    let mut wait = exhaust(CHECK, &cluster, "ada").await;
    let (mut passed, mut waits) = (0, 0);
    while waits < 2 * BURST {
        let node = cluster.node(waits as usize);
        tokio::time::sleep(wait + TOLERANCE / 4).await;
        assert_eq!(take(CHECK, node, "ada").await, Ok(()), "{CHECK}: waited for {wait:?}, as told");
        passed += 1;
        // Usually refused at once; where the machine stood still, more were refilled.
        wait = loop {
            match take(CHECK, node, "ada").await {
                Ok(()) => passed += 1,
                Err(again) => break again,
            }
            let allowed = refilled(began);
            assert!(passed <= allowed, "{CHECK}: {passed} passed after the burst, and {allowed} were refilled");
        };
        waits += 1;
    }
    // And who comes back after a long time has the burst again, not more.
    tokio::time::sleep(EACH * (BURST + 1)).await;
    exhaust(CHECK, &cluster, "ada").await;
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
    for key in ["ada", "ad", "ada:", "{ada}", "{}", "*", "ws:ada", "a\0b", "🦀"] {
        exhaust(CHECK, &cluster, key).await;
    }
    cluster.stop().await;
}

/// What is taken of a rate is taken of no other of the same key.
///
/// # Panics
///
/// Where two rates of a key share what they count, whichever comes first.
pub async fn rates_of_one_key_count_apart<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "rates_of_one_key_count_apart";
    let cluster = Cluster::start(CHECK, make).await;
    // Nothing of it is refilled while this runs.
    let slow = Rate::from_parts(NonZeroU32::MIN.saturating_add(2 * BURST), Duration::from_secs(24 * 3600));
    let exhaust_slow = async |key| {
        for number in 0..slow.count().get() {
            let passed = take_of(CHECK, cluster.node(number as usize), key, slow).await;
            assert_eq!(passed, Ok(()), "{CHECK}: number {} of {key:?} at {slow}", number + 1);
        }
        let passed = take_of(CHECK, cluster.node(0), key, slow).await;
        assert!(passed.is_err(), "{CHECK}: more of {key:?} than {slow}");
    };
    exhaust(CHECK, &cluster, "ada").await;
    exhaust_slow("ada").await;
    exhaust_slow("bob").await;
    exhaust(CHECK, &cluster, "bob").await;
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
    let passed = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for number in 0..100 {
        let (node, passed) = (cluster.node(number).clone(), Arc::clone(&passed));
        tasks.spawn(async move {
            if take(CHECK, &node, "everybody").await.is_ok() {
                passed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    finished(CHECK, tasks).await;
    let passed = passed.load(Ordering::Relaxed);
    let allowed = BURST..=BURST + refilled(began);
    assert!(allowed.contains(&passed), "{CHECK}: {passed} passed, and {allowed:?} may");
    cluster.stop().await;
}
