//! Looking at a layer once a second, for as long as the inspector exists.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::sample::History;
use super::servers::Cluster;
use crate::layer::{ChannelLayer, Recent};

const EVERY: Duration = Duration::from_secs(1);
/// How often the backend is asked for all servers, in samples.
const COUNTED_EVERY: u64 = 5;
/// How long it may take.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Watch {
    pub(super) layer: ChannelLayer,
    pub(super) recent: Arc<Recent>,
    history: Mutex<History>,
    cluster: Mutex<Cluster>,
    sampling: OnceLock<()>,
}

impl Watch {
    pub(super) fn begin(layer: &ChannelLayer) -> Arc<Self> {
        layer.manager().counters.timings.want();
        let watch = Arc::new(Self {
            layer: layer.clone(),
            recent: layer.manager().recent_errors(),
            history: Mutex::new(History::new(layer)),
            cluster: Mutex::default(),
            sampling: OnceLock::new(),
        });
        if Handle::try_current().is_ok() {
            watch.ensure_sampling();
        }
        watch
    }

    /// Starts the task, once; in a runtime.
    pub(super) fn ensure_sampling(self: &Arc<Self>) {
        self.sampling.get_or_init(|| drop(tokio::spawn(sample(Arc::downgrade(self)))));
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who cannot tell the one may still tell the other.
    async fn count(&self) {
        let (counts, servers) =
            tokio::join!(timeout(COUNTED_WITHIN, self.layer.counts()), timeout(COUNTED_WITHIN, self.layer.servers()),);
        let told = Cluster { counts: counts.ok().and_then(Result::ok), servers: servers.ok().and_then(Result::ok) };
        *self.cluster() = told;
    }
}

async fn sample(watch: Weak<Watch>) {
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    // A late sample is one over a longer time.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        // Held only while it is looked at, so that nothing but the router keeps it.
        let Some(watch) = watch.upgrade() else { return };
        if number > 0 {
            watch.history().sample(&watch.layer);
        }
        if number % COUNTED_EVERY == 0 {
            watch.count().await;
        }
        drop(watch);
        ticks.tick().await;
    }
}
