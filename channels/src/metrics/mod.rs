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
    /// Hands the layer's numbers to the recorder that is installed in this process: call it before each scrape, or at an
    /// interval where a recorder pushes. [The guide](crate::docs::metrics) lists what it hands over.
    ///
    /// Nothing of the facade lies in a message's way: the layer counts for itself, and this hands over what it has
    /// counted. The first call also begins to measure durations, which costs two looks at the clock a message;
    /// so call it once when the process starts.
    ///
    /// A recorder that keeps each value of a histogram, as most do, is given as many at a time as there were messages
    /// since the last call: some ten nanoseconds for each, here and not where the message was handled.
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
