//! Variables that mean nothing.

use super::*;

#[test]
fn unknown_variables_of_our_own_prefixes_are_found() {
    let config = with(&[
        ("WS_MAX_MESSAGESIZE", "1"),
        ("REDIS_HOST", "cache"),
        ("ws_drain_timeout", "1s"),
        ("REDIS_EMPTY", ""),
        ("LOG_FORMAT", "json"),
        ("REDIS_SERVICE_HOST", "10.0.0.1"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
    ])
    .unwrap();
    assert_eq!(config.unknown_variables(), ["REDIS_HOST", "WS_MAX_MESSAGESIZE", "ws_drain_timeout"]);
    let config = with(&[("REDIS_PORT", "6379")]).unwrap();
    assert_eq!(config.unknown_variables(), ["REDIS_PORT"]);
}

#[test]
fn the_nearest_known_name_is_suggested() {
    for (name, nearest) in [
        ("WS_MAX_MESSAGESIZE", Some("WS_MAX_MESSAGE_SIZE")),
        ("WS_HEARTBEAT_INTERVALL", Some("WS_HEARTBEAT_INTERVAL")),
        ("ws_drain_timeout", Some("WS_DRAIN_TIMEOUT")),
        ("WS_LOG_LEVEL", Some("LOG_LEVEL")),
        ("REDIS_URI", Some("REDIS_URL")),
        ("REDIS_HOST", None),
        ("WS_", None),
    ] {
        assert_eq!(env::nearest(name), nearest, "{name}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

/// Keeps the target and the message of each event.
impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let crate_name = event.metadata().target().split("::").next().unwrap_or_default();
        assert_eq!(crate_name, module_path!().split("::").next().unwrap());
        self.0.lock().unwrap().push(message.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn unknown_variables_are_warned_about_once_and_where_somebody_listens() {
    let vars = [("WS_OUTBOX_MESSAGE", "1"), ("REDIS_HOST", "cache")];
    let expected = [
        "unknown variable REDIS_HOST: it is ignored",
        "unknown variable WS_OUTBOX_MESSAGE: did you mean WS_OUTBOX_MESSAGES?",
    ];

    let before = tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || with(&vars).unwrap());
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || before.warn_about_unknown_variables());
    assert_eq!(*log.0.lock().unwrap(), expected, "nobody listened at the build");

    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        with(&vars).unwrap().warn_about_unknown_variables();
    });
    assert_eq!(*log.0.lock().unwrap(), expected, "not twice");
}
