//! A client without a socket.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::reader::{Arrival, Reader, Sent, Switches};
use crate::close::CloseReason;
use crate::connection::Connection;
use crate::consumer::Received as Inbound;
use crate::message::Frame;
use crate::transport::RunOver;
use crate::websocket::{Decoder, Rules};

/// The line of a test that waits: a future does not know who awaits it, so it is asked when it is made.
type Line = &'static Location<'static>;

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
    #[track_caller]
    pub fn send(&mut self, name: &str, payload: &impl Serialize) -> impl Future<Output = ()> {
        self.sent(json!({ "type": name, "data": value(payload) }))
    }

    /// Sends a request with an `id`; the answer bears it as `re`.
    ///
    /// # Panics
    ///
    /// As [`Client::send`].
    #[track_caller]
    pub fn request(&mut self, id: impl Into<Value>, name: &str, payload: &impl Serialize) -> impl Future<Output = ()> {
        self.sent(json!({ "type": name, "data": value(payload), "id": id.into() }))
    }

    async fn sent(&mut self, json: Value) {
        self.send_json(&json).await;
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
    pub fn recv<T: DeserializeOwned>(&mut self) -> impl Future<Output = T> {
        let line = Location::caller();
        async move {
            let received = self.message(line).await;
            if received.name == "error" {
                panic!("{line}: an error came instead: {}", received.data);
            }
            received.payload(line)
        }
    }

    /// The payload of the next message of a type; others before it are skipped.
    ///
    /// # Panics
    ///
    /// Where none comes, the connection ends, or its payload is no `T`.
    #[track_caller]
    pub fn recv_type<T: DeserializeOwned>(&mut self, name: &str) -> impl Future<Output = T> {
        let line = Location::caller();
        async move {
            loop {
                let received = self.message(line).await;
                if received.name == name {
                    return received.payload(line);
                }
            }
        }
    }

    /// The next message, whatever it is.
    ///
    /// # Panics
    ///
    /// Where none comes, or the connection ends.
    #[track_caller]
    pub fn next_message(&mut self) -> impl Future<Output = Received> {
        self.message(Location::caller())
    }

    async fn message(&mut self, line: Line) -> Received {
        match self.frame(line).await {
            Frame::Text(text) => Received::read(&text, line),
            Frame::Binary(data) => panic!("{line}: a binary frame of {} bytes came", data.len()),
        }
    }

    /// The next frame, as it is.
    ///
    /// # Panics
    ///
    /// Where none comes, or the connection ends.
    #[track_caller]
    pub fn next_frame(&mut self) -> impl Future<Output = Frame> {
        self.frame(Location::caller())
    }

    async fn frame(&mut self, line: Line) -> Frame {
        match timeout(PATIENCE, self.arrival()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => panic!("{line}: the connection ended: {:?}", self.end),
            Err(_) => panic!("{line}: nothing came within {PATIENCE:?}"),
        }
    }

    /// Waits until the server has made it a member of a group.
    ///
    /// # Panics
    ///
    /// Where it does not.
    #[track_caller]
    pub fn joined(&self, group: &str) -> impl Future<Output = ()> {
        let line = Location::caller();
        async move {
            let joined = async {
                while !self.connection.is_in(group) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            if timeout(PATIENCE, joined).await.is_err() {
                panic!("{line}: it did not join {group:?} within {PATIENCE:?}");
            }
        }
    }

    /// Nothing comes.
    ///
    /// # Panics
    ///
    /// Where something does.
    #[track_caller]
    pub fn assert_silent(&mut self) -> impl Future<Output = ()> {
        let line = Location::caller();
        async move {
            if let Ok(Some(frame)) = timeout(SILENCE, self.arrival()).await {
                panic!("{line}: silence was expected, and this came: {frame:?}");
            }
        }
    }

    /// Waits for the end and says how the server closed; what comes before is thrown away.
    ///
    /// # Panics
    ///
    /// Where it does not end.
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = CloseReason> {
        let line = Location::caller();
        async move {
            let end = async { while self.arrival().await.is_some() {} };
            if timeout(LONG_PATIENCE, end).await.is_err() {
                panic!("{line}: the connection did not end within {LONG_PATIENCE:?}");
            }
            self.end.clone().unwrap_or_else(CloseReason::lost)
        }
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

/// Not in the future, so that a panic is said to be in the test.
#[track_caller]
fn value(payload: &impl Serialize) -> Value {
    match serde_json::to_value(payload) {
        Ok(value) => value,
        Err(error) => panic!("the payload does not serialize: {error}"),
    }
}

impl Received {
    fn read(text: &str, line: Line) -> Self {
        let Ok(Value::Object(mut members)) = serde_json::from_str(text) else {
            panic!("{line}: what came is no envelope: {text}")
        };
        let name = members.remove("type").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        Self { name, data: members.remove("data").unwrap_or_default(), re: members.remove("re") }
    }

    fn payload<T: DeserializeOwned>(self, line: Line) -> T {
        let Self { name, data, .. } = self;
        match serde_json::from_value(data.clone()) {
            Ok(payload) => payload,
            Err(error) => panic!("{line}: the payload of `{name}` is another: {error}: {data}"),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connection", &self.connection).field("end", &self.end).finish_non_exhaustive()
    }
}
