//! A layer's numbers for whatever listens to the facade [`metrics`](https://docs.rs/metrics): feature `metrics`.
//!
//! [The guide](crate::docs::metrics) lists every name with its unit and labels.

mod names;
mod publish;

use crate::layer::ChannelLayer;
use crate::timings;

/// The upper bounds of the histograms' buckets, in seconds, from 10 µs to 10 s; a last bucket holds what took longer.
pub const BUCKETS: [f64; timings::BUCKETS.len()] = timings::BUCKETS;

impl ChannelLayer {
    /// Hands the layer's numbers to the recorder that is installed in this process: call it every second or so, whoever
    /// asks for them, and before each scrape. [The guide](crate::docs::metrics) lists what it hands over.
    ///
    /// Nothing of the facade lies in a message's way: the layer counts for itself, and this hands over what it has
    /// counted. The first call also begins to measure durations, which costs two looks at the clock a message;
    /// so call it once when the process starts.
    ///
    /// A recorder is given the values of a histogram one by one, some ten nanoseconds each, here and not where the message was
    /// handled; and it keeps each, as that of Prometheus does in 24 bytes, until it is scraped or its `run_upkeep` is called.
    /// So a call hands over 50,000 of a bucket at most, and leaves the rest to later ones: counts may come late, and stay exact.
    ///
    /// Of several layers in one process the last call wins: the names have no label that tells them apart.
    ///
    /// ```
    /// use channels::ChannelLayer;
    /// use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let layer = ChannelLayer::memory();
    /// let prometheus = PrometheusBuilder::new()
    ///     .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &channels::metrics::BUCKETS)
    ///     .unwrap()
    ///     .install_recorder()
    ///     .unwrap();
    /// layer.record_metrics();
    /// assert!(prometheus.render().contains("channels_connections 0\n"));
    /// # }
    /// ```
    pub fn record_metrics(&self) {
        self.manager().counters.timings.want();
        names::describe();
        publish::publish(self);
    }
}
