//! One sweep for all connections: who is quiet is pinged, who stays quiet is closed.

use std::sync::Arc;
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
/// How many connections a sweep looks at before others get a turn.
const BATCH: usize = 1024;

/// Starts the tasks of a layer. They end when it is gone or has been drained.
pub(super) fn spawn(manager: &Arc<ConnectionManager>) {
    let config = &manager.config;
    if config.enable_heartbeat() {
        let every = (config.heartbeat_interval() / SWEEPS_PER_INTERVAL).max(Duration::from_millis(1));
        repeat(manager, every, |manager| async move { sweep(&manager).await });
    }
    repeat(manager, SWEEP_EVERY, |manager| async move { manager.backend.sweep() });
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
    let (interval, timeout) = (manager.config.heartbeat_interval(), manager.config.heartbeat_timeout());
    for batch in manager.registry.batches(BATCH) {
        batch.iter().for_each(|connection| beat(connection, interval, timeout));
        tokio::task::yield_now().await;
    }
}

fn beat(connection: &Connection, interval: Duration, timeout: Duration) {
    // A handler that waits is bounded by its own time-out; meanwhile frames may stay unread.
    if connection.is_handling() {
        return;
    }
    let idle = connection.idle();
    if idle >= timeout {
        connection.close_with(CloseReason::server(CloseCode::HEARTBEAT_LOST, "no sign of life"));
    } else if idle >= interval {
        connection.outbox().ping();
    }
}
