//! One sweep for all connections: who is quiet is pinged, who stays quiet or never finishes a message is closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::manager::{ConnectionManager, WeakManager};
use crate::backend::Backend;
use crate::close::{CloseCode, CloseReason};
use crate::connection::Connection;

/// How many sweeps fit into `WS_HEARTBEAT_INTERVAL`: a client is found dead at most a quarter of
/// the interval after `WS_HEARTBEAT_TIMEOUT`.
const SWEEPS_PER_INTERVAL: u32 = 4;
/// How often the limiters and the backend forget what they need not know any more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How often `LOG_STATS` logs.
const LOG_STATS_EVERY: Duration = Duration::from_secs(60);
/// How many connections a sweep looks at, and may write to, before others get a turn.
const BATCH: usize = 64;

/// Starts the tasks of a layer. They end when it is gone or has been drained.
pub(super) fn spawn(manager: &Arc<ConnectionManager>) {
    let config = &manager.config;
    let mut every = config.message_timeout() / SWEEPS_PER_INTERVAL;
    if config.enable_heartbeat() {
        every = every.min(config.heartbeat_interval() / SWEEPS_PER_INTERVAL);
    }
    repeat(manager, every.max(Duration::from_millis(1)), |manager| async move { sweep(&manager).await });
    repeat(manager, SWEEP_EVERY, |manager| async move {
        manager.backend.sweep();
        manager.metering.iter().for_each(|metering| metering.sweep());
    });
    if config.log_stats() {
        repeat(manager, LOG_STATS_EVERY, |manager| async move {
            tracing::info!(server = manager.config.server_instance_id(), stats = ?manager.stats(), "statistics");
        });
    }
}

fn repeat<F: Future<Output = ()> + Send>(
    manager: &Arc<ConnectionManager>,
    every: Duration,
    action: impl Fn(Arc<ConnectionManager>) -> F + Send + 'static,
) {
    let end = manager.deadline.clone();
    let manager: WeakManager = Arc::downgrade(manager);
    tokio::spawn(async move {
        let mut ticks = interval_at(Instant::now() + every, every);
        // After a stall one sweep is enough: what it missed, it sees now.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = end.cancelled() => return,
            }
            let Some(manager) = manager.upgrade() else { return };
            action(manager).await;
        }
    });
}

async fn sweep(manager: &Arc<ConnectionManager>) {
    let config = &manager.config;
    let heartbeat = config.enable_heartbeat().then(|| (config.heartbeat_interval(), config.heartbeat_timeout()));
    let timings = &manager.counters.timings;
    let counts = timings.is_wanted();
    let (mut messages, mut bytes) = (0, 0);
    for batch in manager.registry.batches(BATCH) {
        if counts {
            for (more, size) in batch.iter().map(|connection| connection.outbox().waiting()) {
                (messages, bytes) = (messages + more, bytes + size);
            }
        }
        batch.iter().for_each(|connection| beat(connection, heartbeat, config.message_timeout()));
        tokio::task::yield_now().await;
    }
    timings.queued.0.store(messages, Ordering::Relaxed);
    timings.queued.1.store(bytes, Ordering::Relaxed);
}

fn beat(connection: &Connection, heartbeat: Option<(Duration, Duration)>, message_timeout: Duration) {
    // A handler that waits is bounded by its own time-out; meanwhile frames may stay unread.
    if connection.is_handling() {
        return;
    }
    if connection.unfinished_for().is_some_and(|since| since >= message_timeout) {
        connection.close_with(CloseReason::server(CloseCode::HEARTBEAT_LOST, "a message took too long to arrive"));
        return;
    }
    let Some((interval, timeout)) = heartbeat else { return };
    let idle = connection.idle();
    if idle >= timeout {
        connection.close_with(CloseReason::server(CloseCode::HEARTBEAT_LOST, "no sign of life"));
    } else if idle >= interval {
        connection.ping();
    }
}
