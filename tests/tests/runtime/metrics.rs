//! What a layer hands to the facade, beside what the guide says and what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use channels::metrics::BUCKETS;
use channels::{Category, ChannelLayer, CloseCode, ClosedBy, Config, ErrorCode};
use channels_tests::probe::{Act, ServerMessage, Stage, Text, World};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use serde_json::json;

const GUIDE: &str = include_str!("../../../channels/src/docs/metrics.md");

/// A name with its labels.
type Series = (String, BTreeMap<String, String>);

/// What the facade is told.
#[derive(Default)]
struct Seen {
    /// Kind, unit and words by name.
    described: BTreeMap<String, (&'static str, Option<Unit>, String)>,
    /// Values by name and labels.
    values: BTreeMap<Series, (&'static str, Arc<Value>)>,
}

#[derive(Default)]
struct Value {
    number: AtomicU64,
    samples: Mutex<Vec<(f64, usize)>>,
}

impl CounterFn for Value {
    fn increment(&self, value: u64) {
        self.number.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        assert!(self.number.swap(value, Ordering::Relaxed) <= value, "a counter went back");
    }
}

impl GaugeFn for Value {
    fn increment(&self, _: f64) {
        unreachable!("gauges are set")
    }

    fn decrement(&self, _: f64) {
        unreachable!("gauges are set")
    }

    fn set(&self, value: f64) {
        self.number.store(value as u64, Ordering::Relaxed);
    }
}

impl HistogramFn for Value {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.samples.lock().unwrap().push((value, count));
    }
}

#[derive(Clone, Default)]
struct Facade(Arc<Mutex<Seen>>);

impl Facade {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, kind: &'static str, name: &KeyName, unit: Option<Unit>, says: &SharedString) {
        self.lock().described.insert(name.as_str().to_owned(), (kind, unit, says.to_string()));
    }

    fn register(&self, kind: &'static str, key: &Key) -> Arc<Value> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        let mut seen = self.lock();
        Arc::clone(&seen.values.entry((key.name().to_owned(), labels)).or_insert((kind, Arc::default())).1)
    }

    /// What the layer hands over now.
    fn record(&self, layer: &ChannelLayer) {
        metrics::with_local_recorder(self, || layer.record_metrics());
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<Arc<Value>> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.lock().values.get(&(name.to_owned(), labels)).map(|(_, value)| Arc::clone(value))
    }

    fn number(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let value = self.value(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is not there"));
        value.number.load(Ordering::Relaxed)
    }

    /// How many durations, and their sum in seconds.
    fn durations(&self, name: &str, labels: &[(&str, &str)]) -> (usize, f64) {
        let value = self.value(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is not there"));
        let samples = value.samples.lock().unwrap();
        samples.iter().fold((0, 0.0), |(all, sum), (value, count)| (all + count, sum + value * *count as f64))
    }
}

impl Recorder for Facade {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, says: SharedString) {
        self.describe("counter", &name, unit, &says);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, says: SharedString) {
        self.describe("gauge", &name, unit, &says);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, says: SharedString) {
        self.describe("histogram", &name, unit, &says);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register("counter", key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register("gauge", key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register("histogram", key))
    }
}

/// Kind, unit and labels by name, as the guide's table has them.
fn documented() -> BTreeMap<String, (String, String, BTreeSet<String>)> {
    let rows = GUIDE.lines().filter(|line| line.starts_with("| `channels_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[4].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), cells[3].to_owned(), labels))
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn the_guide_lists_what_is_handed_over_and_nothing_else() {
    let stage = Stage::new(World::default());
    let facade = Facade::default();
    facade.record(&stage.layer);
    let mut ada = stage.connect("ada").await;
    ada.send("echo", &Text { text: "hi".into() }).await;
    ada.recv::<Text>().await;
    stage.layer.broadcast(ServerMessage::Said(Text { text: "hi".into() })).await.unwrap();
    ada.close(1000).await;
    stage.empty().await;
    facade.record(&stage.layer);

    let documented = documented();
    let seen = facade.lock();
    let described: BTreeMap<_, _> = seen
        .described
        .iter()
        .map(|(name, (kind, unit, says))| {
            assert!(says.ends_with('.'), "{name}: {says}");
            (name.clone(), ((*kind).to_owned(), unit.unwrap().as_str().to_owned()))
        })
        .collect();
    let in_the_guide = documented.iter().map(|(name, (kind, unit, _))| (name.clone(), (kind.clone(), unit.clone())));
    assert_eq!(described, in_the_guide.collect::<BTreeMap<_, _>>());
    let mut handed = BTreeMap::<String, (String, BTreeSet<String>)>::new();
    for ((name, labels), (kind, _)) in &seen.values {
        let labels: BTreeSet<_> = labels.keys().cloned().collect();
        let entry = ((*kind).to_owned(), labels);
        assert_eq!(*handed.entry(name.clone()).or_insert_with(|| entry.clone()), entry, "{name}");
    }
    let in_the_guide = documented.into_iter().map(|(name, (kind, _, labels))| (name, (kind, labels)));
    assert_eq!(handed, in_the_guide.collect::<BTreeMap<_, _>>());
}

#[tokio::test(start_paused = true)]
async fn counters_and_gauges_are_the_layers_own() {
    let config = Config::builder().max_connections_per_client(1).server_instance_id("one").build().unwrap();
    let stage = Stage::with(World { groups: vec!["all"], ..World::default() }, config);
    let facade = Facade::default();
    let mut ada = stage.connect("ada").await;
    ada.joined("all").await;
    assert!(stage.try_connect("ada").await.is_err());
    ada.send("fail", &json!({"how": "forbidden"})).await;
    ada.next_message().await;
    ada.send_text("{").await;
    ada.next_message().await;
    let bob = stage.connect("bob").await;
    drop(bob);
    stage.until(|world| world.ends().len() == 1).await;
    facade.record(&stage.layer);
    let number = |name, labels: &[_]| facade.number(name, labels);
    let stats = stage.layer.stats();
    assert_eq!((number("channels_connections", &[]), number("channels_connections_total", &[])), (1, 2));
    assert_eq!(number("channels_messages_in_total", &[]), 2);
    assert_eq!(number("channels_bytes_out_total", &[]), stats.bytes_out);
    assert_eq!(number("channels_refused_total", &[("reason", "user_limit")]), 1);
    assert_eq!(number("channels_refused_total", &[("reason", "other")]), 0);
    let code = [("category", "authorization"), ("code", "AUTHORIZATION_FAILED")];
    assert_eq!(number("channels_errors_total", &code), 1);
    assert_eq!(number("channels_errors_total", &[("category", "message"), ("code", "INVALID_JSON")]), 1);
    assert_eq!((stats.errors_of(ErrorCode::InvalidJson), stats.errors(Category::Message)), (1, 1));
    assert_eq!(number("channels_closed_total", &[("closed_by", "lost"), ("code", "1006")]), 1);
    assert_eq!(stats.closed(ClosedBy::Lost, CloseCode::ABNORMAL), 1);
    assert_eq!((number("channels_backend_connected", &[]), number("channels_draining", &[])), (1, 0));
    let labels = [("server", "one"), ("backend", "memory"), ("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(number("channels_info", &labels), 1);
    // A second time says the same, and never less.
    stage.layer.drain();
    facade.record(&stage.layer);
    assert_eq!(number("channels_draining", &[]), 1);
    ada.closed().await;
    stage.empty().await;
    facade.record(&stage.layer);
    assert_eq!(number("channels_closed_total", &[("closed_by", "server"), ("code", "1012")]), 1);
    assert_eq!(number("channels_connections", &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handlers_time_falls_into_its_bucket_under_a_name_that_no_client_chose() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let mut wait = async |millis: u64| {
        ada.send("wait", &json!({ "millis": millis })).await;
        ada.recv::<Text>().await;
    };
    // Nothing is measured that nobody asked for.
    wait(700).await;
    let facade = Facade::default();
    facade.record(&stage.layer);
    assert_eq!(facade.durations("channels_handler_seconds", &[("type", "wait")]), (0, 0.0));
    for millis in [30, 40, 3_000] {
        wait(millis).await;
    }
    facade.record(&stage.layer);
    let samples = facade.value("channels_handler_seconds", &[("type", "wait")]).unwrap();
    let samples = samples.samples.lock().unwrap().clone();
    // The two of one bucket come as their mean, so that the sum is theirs.
    let found: Vec<_> = samples.iter().map(|(value, count)| ((value * 1e6).round() as u64, *count)).collect();
    assert_eq!(found, [(35_000, 2), (3_000_000, 1)]);
    assert!(BUCKETS.is_sorted());
    // What was told is not told again.
    facade.record(&stage.layer);
    assert_eq!(facade.durations("channels_handler_seconds", &[("type", "wait")]).0, 3);
    for hostile in ["x\ny", "$text", "another"] {
        ada.send(hostile, &json!({})).await;
        ada.next_message().await;
    }
    facade.record(&stage.layer);
    assert_eq!(facade.durations("channels_handler_seconds", &[("type", "$unknown")]).0, 3);
    let seen = facade.lock();
    let types = seen.values.keys().filter_map(|(_, labels)| labels.get("type"));
    assert!(types.into_iter().all(|kind| !kind.contains("another") && !kind.contains('\n')));
}

#[tokio::test(start_paused = true)]
async fn waiting_and_sending_have_times_of_their_own() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let facade = Facade::default();
    facade.record(&stage.layer);
    let mut ada = stage.connect("ada").await;
    // The second waits for the first, not in its handler.
    ada.send("wait", &json!({ "millis": 200 })).await;
    ada.send("say", &json!({"group": "all", "text": "hi"})).await;
    ada.recv::<Text>().await;
    ada.recv::<Text>().await;
    facade.record(&stage.layer);
    let (messages, waited) = facade.durations("channels_waited_seconds", &[]);
    assert_eq!((messages, (waited * 1e3).round() as u64), (2, 200));
    assert_eq!(facade.durations("channels_handler_seconds", &[("type", "say")]), (1, 0.0));
    assert_eq!(facade.durations("channels_send_seconds", &[("to", "group")]), (1, 0.0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_outboxes_is_seen_by_the_heartbeat() {
    let stage = Stage::new(World { on_connect: Act::Nothing, ..World::default() });
    let facade = Facade::default();
    facade.record(&stage.layer);
    let mut ada = stage.connect("ada").await;
    ada.stop_reading();
    ada.send("many", &json!({"count": 10})).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    facade.record(&stage.layer);
    let (messages, bytes) =
        (facade.number("channels_queued_messages", &[]), facade.number("channels_queued_bytes", &[]));
    assert!((1..=10).contains(&messages) && bytes >= messages * 30, "{messages} {bytes}");
    ada.go_on_reading();
    tokio::time::sleep(Duration::from_secs(10)).await;
    facade.record(&stage.layer);
    assert_eq!(facade.number("channels_queued_messages", &[]), 0);
}
