//! What is logged on this thread while a test listens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::{fmt, io};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    pub level: Level,
    pub fields: BTreeMap<String, String>,
    /// The spans it stands in, the outermost first.
    pub spans: Vec<Span>,
}

/// A span: as it was when a line was written in it, or when it ended.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: &'static str,
    pub fields: BTreeMap<String, String>,
    /// The name of the one around it.
    pub parent: Option<&'static str>,
}

impl Span {
    pub fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

impl Line {
    pub fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

/// Listens until it is dropped. For tests on one thread.
pub struct Logs {
    lines: Arc<Mutex<Vec<Line>>>,
    ended: Arc<Mutex<Vec<Span>>>,
    _listening: DefaultGuard,
}

impl Logs {
    pub fn listen() -> Self {
        ask_every_time();
        let (lines, ended) = (Arc::default(), Arc::default());
        let capture = Capture { lines: Arc::clone(&lines), ended: Arc::clone(&ended) };
        let subscriber = tracing_subscriber::registry().with(capture);
        Self { lines, ended, _listening: tracing::subscriber::set_default(subscriber) }
    }

    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans of this name that have ended.
    pub fn spans(&self, name: &str) -> Vec<Span> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.iter().filter(|span| span.name == name).cloned().collect()
    }

    /// Lines with these words in one field.
    pub fn with(&self, field: &str, words: &str) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.get(field).contains(words)).collect()
    }
}

/// The log of this thread as it is usually written, with all that a level or a span may add, until it is dropped.
pub struct Written {
    text: Arc<Mutex<Vec<u8>>>,
    _listening: DefaultGuard,
}

impl Written {
    pub fn listen() -> Self {
        ask_every_time();
        let text = Arc::default();
        let into = Into(Arc::clone(&text));
        let subscriber =
            tracing_subscriber::fmt().with_max_level(Level::TRACE).with_ansi(false).with_writer(move || into.clone());
        Self { text, _listening: tracing::subscriber::set_default(subscriber.finish()) }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

#[derive(Clone)]
struct Into(Arc<Mutex<Vec<u8>>>);

impl io::Write for Into {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has each thread asked whether it listens. Otherwise `tracing` remembers for all threads that nobody wants a line, and
/// what it remembers while other tests begin and end to listen may be wrong for this one.
fn ask_every_time() {
    static ONCE: Once = Once::new();
    // Fails where the program has a subscriber of its own, which then is asked.
    ONCE.call_once(|| tracing::subscriber::set_global_default(Deaf).unwrap_or_default());
}

/// Wants nothing, and wants to be asked each time.
struct Deaf;

impl Subscriber for Deaf {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Capture {
    lines: Arc<Mutex<Vec<Line>>>,
    ended: Arc<Mutex<Vec<Span>>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(span.extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()).map(seen).collect();
        let line = Line { level: *event.metadata().level(), fields: fields.0, spans };
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = seen(context.span(&id).unwrap());
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}

fn seen<'a, S: LookupSpan<'a>>(span: SpanRef<'a, S>) -> Span {
    let fields = span.extensions().get::<Fields>().map_or_else(BTreeMap::new, |fields| fields.0.clone());
    Span { name: span.name(), fields, parent: span.parent().map(|parent| parent.name()) }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}
