//! A client without a socket.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::close::{CloseCode, CloseReason};
use crate::connection::{Connection, Tally, cork};
use crate::consumer::{Received as Inbound, Source};
use crate::message::Frame;
use crate::transport::RunOver;
use crate::websocket::{Decoder, Event, Rules};

/// How many frames a client has on the way before its `send` waits.
const IN_FLIGHT: usize = 16;
/// How long a client waits for a message before its test fails; with paused time that takes no time.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client waits for its end: longer than any heartbeat or deadline.
const LONG_PATIENCE: Duration = Duration::from_secs(300);
/// How long nothing must come for silence; with paused time everybody else has come to rest by then.
const SILENCE: Duration = Duration::from_millis(100);

/// One client of a test. Like a browser it reads and answers pings by itself, unless told not to.
///
/// Dropped, it is lost: the server sees no close frame.
pub struct Client {
    connection: Connection,
    to: Option<mpsc::Sender<Inbound>>,
    arrived: mpsc::UnboundedReceiver<Arrival>,
    end: Option<CloseReason>,
    switches: Arc<Switches>,
    reading: watch::Sender<bool>,
    reader: AbortHandle,
}

enum Arrival {
    Frame(Frame),
    End(CloseReason),
}

/// What a test turns on and off in the reader.
#[derive(Default)]
struct Switches {
    silent: AtomicBool,
    pings: AtomicUsize,
}

/// A message that a client got.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Its name.
    pub name: String,
    /// Its payload; `null` where it has none.
    pub data: Value,
    /// The id of the request that it answers.
    pub re: Option<Value>,
}

impl Client {
    pub(super) fn start(session: Box<dyn RunOver>) -> Self {
        let connection = session.connection().clone();
        let (to, from) = mpsc::channel(IN_FLIGHT);
        session.run(Box::new(Sent(from)));
        let (switches, reading) = (Arc::<Switches>::default(), watch::Sender::new(true));
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let reader = Reader {
            connection: connection.clone(),
            to: to.downgrade(),
            arrivals,
            switches: Arc::clone(&switches),
            reading: reading.subscribe(),
            decoder: Decoder::new(Rules {
                max_message_size: usize::MAX,
                masked: false,
                deflate: connection.link().variant.window != 0,
            }),
        };
        let reader = tokio::spawn(reader.run()).abort_handle();
        Self { connection, to: Some(to), arrived, end: None, switches, reading, reader }
    }

    /// The server's side of it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends `{"type": name, "data": payload}`.
    ///
    /// # Panics
    ///
    /// Where the payload does not serialize.
    pub async fn send(&mut self, name: &str, payload: &impl Serialize) {
        self.send_json(&json!({ "type": name, "data": payload })).await;
    }

    /// Sends a request with an `id`; the answer bears it as `re`.
    pub async fn request(&mut self, id: impl Into<Value>, name: &str, payload: &impl Serialize) {
        self.send_json(&json!({ "type": name, "data": payload, "id": id.into() })).await;
    }

    /// Sends any JSON.
    pub async fn send_json(&mut self, json: &Value) {
        self.send_text(json.to_string()).await;
    }

    /// Sends a text frame as it is.
    pub async fn send_text(&mut self, text: impl Into<bytestring::ByteString>) {
        self.inbound(Inbound::Text(text.into())).await;
    }

    /// Sends a binary frame as it is.
    pub async fn send_binary(&mut self, data: impl Into<Bytes>) {
        self.inbound(Inbound::Binary(data.into())).await;
    }

    async fn inbound(&mut self, frame: Inbound) {
        if let Some(to) = &self.to {
            // A session that has ended reads no more, as a closed socket would.
            let _ = to.send(frame).await;
        }
    }

    /// Closes in good order, with a code; [`Client::closed`] tells what the server answered.
    pub async fn close(&mut self, code: u16) {
        self.inbound(Inbound::Closed(Some((code, String::new())))).await;
    }

    /// Goes without a word, as a browser whose network is gone.
    pub fn lose(&mut self) {
        self.to = None;
    }

    /// From now on no ping is answered.
    pub fn stop_answering(&self) {
        self.switches.silent.store(true, Ordering::Relaxed);
    }

    /// From now on nothing is read: what the server sends stays in its outbox.
    pub fn stop_reading(&self) {
        self.reading.send_replace(false);
    }

    /// Reads again.
    pub fn go_on_reading(&self) {
        self.reading.send_replace(true);
    }

    /// How many pings came so far.
    pub fn pings(&self) -> usize {
        self.switches.pings.load(Ordering::Relaxed)
    }

    /// The payload of the next message.
    ///
    /// # Panics
    ///
    /// Where none comes, the connection ends, it is an error, or its payload is no `T`.
    #[track_caller]
    pub fn recv<T: DeserializeOwned>(&mut self) -> impl Future<Output = T> + '_ {
        let test = std::panic::Location::caller();
        async move {
            let received = self.next_message().await;
            assert_ne!(received.name, "error", "{test}: an error came instead: {}", received.data);
            let Received { name, data, .. } = received;
            let parsed = serde_json::from_value(data.clone());
            parsed.unwrap_or_else(|error| panic!("{test}: the payload of `{name}` is another: {error}: {data}"))
        }
    }

    /// The payload of the next message of a type; others before it are skipped.
    ///
    /// # Panics
    ///
    /// Where none comes, or the connection ends.
    pub async fn recv_type<T: DeserializeOwned>(&mut self, name: &str) -> T {
        loop {
            let received = self.next_message().await;
            if received.name == name {
                let parsed = serde_json::from_value(received.data.clone());
                return parsed.unwrap_or_else(|error| panic!("the payload of `{name}`: {error}: {}", received.data));
            }
        }
    }

    /// The next message, whatever it is.
    ///
    /// # Panics
    ///
    /// Where none comes, or the connection ends.
    pub async fn next_message(&mut self) -> Received {
        match self.next_frame().await {
            Frame::Text(text) => message(&text),
            Frame::Binary(data) => panic!("a binary frame of {} bytes came", data.len()),
        }
    }

    /// The next frame, as it is.
    ///
    /// # Panics
    ///
    /// Where none comes, or the connection ends.
    pub async fn next_frame(&mut self) -> Frame {
        match timeout(PATIENCE, self.arrival()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => panic!("the connection ended: {:?}", self.end),
            Err(_) => panic!("nothing came within {PATIENCE:?}"),
        }
    }

    /// Waits until the server has made it a member of a group.
    ///
    /// # Panics
    ///
    /// Where it does not.
    pub async fn joined(&self, group: &str) {
        let joined = async {
            while !self.connection.is_in(group) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(timeout(PATIENCE, joined).await.is_ok(), "never joined {group:?}");
    }

    /// Nothing comes.
    ///
    /// # Panics
    ///
    /// Where something does.
    pub async fn assert_silent(&mut self) {
        if let Ok(Some(frame)) = timeout(SILENCE, self.arrival()).await {
            panic!("silence was expected, and this came: {frame:?}");
        }
    }

    /// Waits for the end and says how the server closed; what comes before is thrown away.
    ///
    /// # Panics
    ///
    /// Where it does not end.
    pub async fn closed(&mut self) -> CloseReason {
        let end = async { while self.arrival().await.is_some() {} };
        assert!(timeout(LONG_PATIENCE, end).await.is_ok(), "the connection does not end");
        self.end.clone().unwrap_or_else(CloseReason::lost)
    }

    /// The next frame, or `None` at the end.
    async fn arrival(&mut self) -> Option<Frame> {
        if self.end.is_some() {
            return None;
        }
        match self.arrived.recv().await? {
            Arrival::Frame(frame) => Some(frame),
            Arrival::End(reason) => {
                self.end = Some(reason);
                None
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The reading half of a client: a transport, but for the bytes.
struct Reader {
    connection: Connection,
    to: mpsc::WeakSender<Inbound>,
    arrivals: mpsc::UnboundedSender<Arrival>,
    switches: Arc<Switches>,
    reading: watch::Receiver<bool>,
    decoder: Decoder,
}

/// What the client sends, for the session.
struct Sent(mpsc::Receiver<Inbound>);

impl Source for Sent {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        cork::flush();
        self.0.poll_recv(cx)
    }
}

impl Reader {
    async fn run(mut self) {
        loop {
            // Fails when the client has gone, and with it whoever would read.
            if self.reading.wait_for(|reading| *reading).await.is_err() {
                return;
            }
            let mut batch = tokio::select! {
                biased;
                _ = self.reading.changed() => continue,
                batch = self.connection.outbox().next() => batch,
            };
            let mut bytes = BytesMut::new();
            let mut tally = Tally::default();
            while let Some(chunk) = batch.queue.front_mut() {
                bytes.extend_from_slice(&chunk.bytes);
                batch.next_written(&mut tally);
            }
            self.connection.written_by_transport(tally);
            self.connection.outbox().done(batch);
            while let Some(event) = self.decoder.decode(&mut bytes).expect("the server breaks the protocol") {
                if self.take(event).await.is_break() {
                    return;
                }
            }
        }
    }

    /// What a client does with it; whether that was the last.
    async fn take(&self, event: Event) -> ControlFlow<()> {
        let frame = match event {
            Event::Text(text) => Frame::Text(text),
            Event::Binary(data) => Frame::Binary(data),
            Event::Pong(_) => return ControlFlow::Continue(()),
            Event::Ping(_) => {
                self.switches.pings.fetch_add(1, Ordering::Relaxed);
                if !self.switches.silent.load(Ordering::Relaxed) {
                    self.answer(Inbound::Alive(0)).await;
                }
                return ControlFlow::Continue(());
            }
            Event::Close(frame) => {
                let end = frame.map_or_else(CloseReason::lost, |(code, text)| {
                    CloseReason::server(CloseCode::received(code), text)
                });
                // A client answers the close frame; the session reads it only where it has not closed itself.
                self.answer(Inbound::Closed(Some((end.code().as_u16(), String::new())))).await;
                let _ = self.arrivals.send(Arrival::End(end));
                return ControlFlow::Break(());
            }
        };
        let _ = self.arrivals.send(Arrival::Frame(frame));
        ControlFlow::Continue(())
    }

    async fn answer(&self, frame: Inbound) {
        if let Some(to) = self.to.upgrade() {
            // A session that has ended reads no more.
            let _ = to.send(frame).await;
        }
    }
}

fn message(text: &str) -> Received {
    let Ok(Value::Object(mut members)) = serde_json::from_str(text) else { panic!("no envelope: {text}") };
    let name = members.remove("type").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    Received { name, data: members.remove("data").unwrap_or_default(), re: members.remove("re") }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connection", &self.connection).field("end", &self.end).finish_non_exhaustive()
    }
}
