//! `/metrics`: the layer's numbers and the process's, as Prometheus reads them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use channels::ChannelLayer;
use channels::metrics::BUCKETS;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};
use tokio::time::MissedTickBehavior;

/// How often durations are handed over, a bounded number at a time, and put into their buckets: until then the recorder keeps
/// each of them in memory, whether anybody scrapes or not.
const EVERY: Duration = Duration::from_secs(1);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The usual name, so that dashboards find it.
const MEMORY: &str = "process_resident_memory_bytes";

/// A recorder of this chat's own: a process may run two. A program that is alone installs one for all, as the guide
/// `channels::docs::metrics` shows.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Recorded>);

struct Recorded {
    layer: ChannelLayer,
    recorder: PrometheusRecorder,
}

impl Metrics {
    /// From now on durations are measured. A task of the runtime hands them over until nothing else holds this.
    pub(crate) fn new(layer: &ChannelLayer) -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?;
        let recorded = Arc::new(Recorded { layer: layer.clone(), recorder: builder.build_recorder() });
        recorded.record();
        tokio::spawn(upkeep(Arc::downgrade(&recorded)));
        Ok(Self(recorded))
    }

    pub(crate) fn routes(self) -> Router {
        Router::new().route("/metrics", get(scrape)).with_state(self)
    }
}

impl Recorded {
    fn record(&self) {
        metrics::with_local_recorder(&self.recorder, || {
            self.layer.record_metrics();
            if let Some(bytes) = resident() {
                describe_gauge!(MEMORY, Unit::Bytes, "Memory that the process has in use.");
                gauge!(MEMORY).set(bytes as f64);
            }
        });
    }
}

async fn upkeep(recorded: Weak<Recorded>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(recorded) = recorded.upgrade() else { return };
        let kept_up = tokio::task::spawn_blocking(move || {
            recorded.record();
            recorded.recorder.handle().run_upkeep();
        });
        if let Err(error) = kept_up.await {
            tracing::error!(%error, "the metrics cannot be kept up");
        }
    }
}

/// A busy server has many durations to hand over: not on a thread that others wait for.
async fn scrape(State(metrics): State<Metrics>) -> Response {
    let scraped = tokio::task::spawn_blocking(move || {
        metrics.0.record();
        metrics.0.recorder.handle().render()
    });
    match scraped.await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be told");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What Linux tells in a file; elsewhere the number is not there.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
