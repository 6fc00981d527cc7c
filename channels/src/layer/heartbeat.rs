//! One sweep for all connections: who is quiet is pinged, who stays quiet or never finishes a message is closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::awake::{Awake, Since};
use super::manager::{ConnectionManager, WeakManager};
use crate::backend::Backend;
use crate::close::{CloseCode, CloseReason};
use crate::connection::{Connection, ConnectionState};
use crate::error::Error;
use crate::limits::Metering;
use crate::message::error_frame;

/// How many sweeps fit into `WS_HEARTBEAT_INTERVAL`, `WS_MESSAGE_TIMEOUT` and the time for a first frame: a client is found
/// dead at most a quarter of the interval after `WS_HEARTBEAT_TIMEOUT`.
const SWEEPS_PER_INTERVAL: u32 = 4;
/// How often the limiters and the backend forget what they need not know any more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How often `LOG_STATS` logs.
const LOG_STATS_EVERY: Duration = Duration::from_secs(60);
/// How many connections a sweep looks at, and may write to, before others get a turn.
const BATCH: usize = 64;

/// Starts the tasks of a layer on this runtime. They end with it, and when the layer is gone or has been drained.
pub(super) fn spawn(manager: &Arc<ConnectionManager>) -> Vec<AbortHandle> {
    let config = &manager.config;
    let awake = Arc::new(Awake::new(sweep_every(manager)));
    let sweeping = repeat(manager, sweep_every, move |manager| {
        let awake = Arc::clone(&awake);
        async move { sweep(&manager, &awake).await }
    });
    let forgetting = repeat(
        manager,
        |_| SWEEP_EVERY,
        |manager| async move {
            manager.backend.sweep();
            manager.shares.sweep();
            manager.metering.iter().for_each(|metering| metering.sweep());
            manager.tell_rest();
        },
    );
    let mut tasks = vec![sweeping, forgetting];
    if config.log_stats() {
        tasks.push(repeat(
            manager,
            |_| LOG_STATS_EVERY,
            |manager| async move {
                tracing::info!(server = manager.config.server_instance_id(), stats = ?manager.stats(), "statistics");
            },
        ));
    }
    tasks
}

/// Routes may be made while others are served, so that it is asked again and again.
fn sweep_every(manager: &ConnectionManager) -> Duration {
    let config = &manager.config;
    let mut shortest = config.message_timeout().min(manager.first_frame_within());
    if config.enable_heartbeat() {
        shortest = shortest.min(config.heartbeat_interval());
    }
    (shortest / SWEEPS_PER_INTERVAL).max(Duration::from_millis(1))
}

fn repeat<F: Future<Output = ()> + Send>(
    manager: &Arc<ConnectionManager>,
    every: impl Fn(&ConnectionManager) -> Duration + Send + 'static,
    action: impl Fn(Arc<ConnectionManager>) -> F + Send + 'static,
) -> AbortHandle {
    let end = manager.deadline.clone();
    let mut now_every = every(manager);
    let manager: WeakManager = Arc::downgrade(manager);
    let task = tokio::spawn(async move {
        let mut ticks = ticks(now_every);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = end.cancelled() => return,
            }
            let Some(manager) = manager.upgrade() else { return };
            let then_every = every(&manager);
            action(manager).await;
            if then_every != now_every {
                now_every = then_every;
                ticks = self::ticks(now_every);
            }
        }
    });
    task.abort_handle()
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    // After a stall one sweep is enough: what it missed, it sees now.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn sweep(manager: &Arc<ConnectionManager>, awake: &Awake) {
    let config = &manager.config;
    let heartbeat = config.enable_heartbeat().then(|| (config.heartbeat_interval(), config.heartbeat_timeout()));
    let timings = &manager.counters.timings;
    let counts = timings.is_wanted();
    let (mut messages, mut bytes) = (0, 0);
    let every = sweep_every(manager);
    let times = Since {
        heartbeat: heartbeat.map_or(Duration::MAX, |(interval, _)| interval),
        message: config.message_timeout(),
        first_frame: manager.first_frame_within(),
    };
    awake.since(every, &times);
    for batch in manager.registry.batches(BATCH) {
        // For each batch, as the clock may leap between two.
        let awake = awake.since(every, &times).map(|since| since.elapsed());
        if counts {
            for (more, size) in batch.iter().map(|connection| connection.outbox().waiting()) {
                (messages, bytes) = (messages + more, bytes + size);
            }
        }
        batch.iter().for_each(|connection| beat(connection, heartbeat, config.message_timeout(), &awake));
        if let Some(metering) = &manager.metering {
            batch.iter().for_each(|connection| tell_rest(manager, connection, metering));
        }
        tokio::task::yield_now().await;
    }
    timings.queued.0.store(messages, Ordering::Relaxed);
    timings.queued.1.store(bytes, Ordering::Relaxed);
}

/// Tells a client what was refused of a burst after it was told, which nothing later would do.
fn tell_rest(manager: &ConnectionManager, connection: &Connection, metering: &Metering) {
    if connection.state() != ConnectionState::Connected {
        return;
    }
    let Some(excess) = connection.known_meter().and_then(|meter| metering.rest(meter)) else { return };
    let error = Error::from(excess).located(connection.id(), connection.user(), None);
    manager.failed(&error);
    let told = error_frame(connection.link().layout, &error, None).and_then(|frame| connection.send_json(&frame));
    if let Err(error) = told {
        tracing::debug!(%error, connection = %connection.id(), "an error could not be told");
    }
}

fn beat(
    connection: &Connection,
    heartbeat: Option<(Duration, Duration)>,
    message_timeout: Duration,
    awake: &Since<Duration>,
) {
    // Until the backend knows of it and `#[connect]` has ended, the client waits for the server; and a handler that waits
    // is bounded by its own time-out. Meanwhile frames may stay unread.
    if connection.state() == ConnectionState::Connecting || connection.is_handling() {
        return;
    }
    if connection.unfinished_for().is_some_and(|since| since.min(awake.message) >= message_timeout) {
        connection.close_with(CloseReason::server(CloseCode::HEARTBEAT_LOST, "a message took too long to arrive"));
        return;
    }
    if connection.is_mute(awake.first_frame) {
        connection.close_with(CloseReason::server(CloseCode::HEARTBEAT_LOST, "the first frame took too long to come"));
        return;
    }
    let Some((interval, timeout)) = heartbeat else { return };
    let idle = connection.idle();
    if idle.min(awake.heartbeat) >= timeout {
        connection.close_with(CloseReason::server(CloseCode::HEARTBEAT_LOST, "no sign of life"));
    } else if idle >= interval {
        connection.ping();
    }
}
