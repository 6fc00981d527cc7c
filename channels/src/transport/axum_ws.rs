//! axum's `ws`: one task a connection that reads, handles and writes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{self, CloseFrame, WebSocket};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, Stream, StreamExt, stream};
use tokio::time::Instant;
use tungstenite::error::CapacityError;

use crate::close::{CloseCode, CloseReason};
use crate::connection::{Batch, Connection, Dropped};
use crate::consumer::{Consumer, Received, Session};
use crate::layer::ConnectionManager;
use crate::message::{Frame, control_frame};

/// Read and written at once; the default of 128 KiB would be most of an idle connection's memory.
const BUFFER_BYTES: usize = 4096;
/// How many times the largest size a message may have and is still read to its end, though it is refused: who
/// writes it in one go reads the close code only afterwards.
const READ_ON: usize = 2;
/// How long a socket stays open that cannot be read any more: closed at once, its reset would overtake
/// the close frame.
const LINGER: Duration = Duration::from_secs(1);
/// How long a client has to take what is queued and to answer the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn configure(upgrade: WebSocketUpgrade, max_message_size: usize) -> WebSocketUpgrade {
    let read_on = max_message_size.saturating_mul(READ_ON);
    upgrade
        .max_message_size(read_on)
        .max_frame_size(read_on)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
}

/// Runs a session over a socket until both have ended.
pub(super) async fn run<C: Consumer>(socket: WebSocket, session: Session<C>) {
    let connection = session.connection.clone();
    let manager = Arc::clone(session.layer.manager());
    let max_message_size = manager.config.max_message_size();
    let (mut sink, mut from) = socket.split();
    let reading = async {
        let mut unreadable = false;
        session.run(received(&mut from, max_message_size, &mut unreadable)).await;
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        // The outbox has ended; the client answers the close frame, or its time is up.
        let answered = async {
            while let Some(message) = from.next().await {
                unreadable |= message.is_err();
            }
            if unreadable {
                tokio::time::sleep(LINGER).await;
            }
        };
        before(deadline, &manager, answered).await;
        deadline
    };
    let writing = async {
        if let Err(error) = write(&mut sink, &connection).await {
            tracing::debug!(connection = %connection.id(), %error, "cannot write");
            connection.close_with(CloseReason::lost());
        }
    };
    tokio::pin!(reading, writing);
    let mut written = false;
    let deadline = loop {
        tokio::select! {
            deadline = &mut reading => break deadline,
            () = &mut writing, if !written => written = true,
        }
    };
    // What the socket takes at once it gets, the close frame too, even where no time is left.
    if !written && writing.as_mut().now_or_never().is_none() {
        before(deadline, &manager, writing).await;
    }
    let unsent = connection.outbox().clear();
    connection.link().counters.add_dropped(unsent);
}

/// Waits for a client that may not do its part; after the drain's deadline not at all.
async fn before(deadline: Instant, manager: &ConnectionManager, wait: impl Future<Output = ()>) {
    let _ = manager.deadline.run_until_cancelled(tokio::time::timeout_at(deadline, wait)).await;
}

/// What the client sends; notes where the socket cannot be read any more.
fn received<'a>(
    from: &'a mut SplitStream<WebSocket>,
    max_message_size: usize,
    unreadable: &'a mut bool,
) -> impl Stream<Item = Received> + 'a {
    stream::unfold((from, unreadable), move |(from, unreadable)| async move {
        let received = match from.next().await? {
            Ok(ws::Message::Text(text)) if text.len() > max_message_size => too_big(max_message_size),
            Ok(ws::Message::Binary(data)) if data.len() > max_message_size => too_big(max_message_size),
            Ok(ws::Message::Text(text)) => Received::Text(text_of(text)),
            Ok(ws::Message::Binary(data)) => Received::Binary(data),
            Ok(ws::Message::Ping(_) | ws::Message::Pong(_)) => Received::Alive,
            Ok(ws::Message::Close(frame)) => {
                Received::Closed(frame.map(|frame| (frame.code, frame.reason.as_str().to_owned())))
            }
            Err(error) => {
                let reason = broken(error, max_message_size)?;
                *unreadable = true;
                Received::Broken(reason)
            }
        };
        Some((received, (from, unreadable)))
    })
}

fn too_big(max_message_size: usize) -> Received {
    let words = format!("a message has at most {max_message_size} bytes");
    Received::Broken(CloseReason::server(CloseCode::MESSAGE_TOO_BIG, words))
}

fn text_of(text: ws::Utf8Bytes) -> ByteString {
    // Checked UTF-8 is checked again: the two types have no way to trust each other.
    ByteString::try_from(Bytes::from(text)).unwrap_or_default()
}

/// What the client did wrong; `None` where the connection was lost.
fn broken(error: axum::Error, max_message_size: usize) -> Option<CloseReason> {
    let error = error.into_inner().downcast::<tungstenite::Error>().ok()?;
    let (code, words) = match *error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            (CloseCode::MESSAGE_TOO_BIG, format!("a message has at most {max_message_size} bytes"))
        }
        tungstenite::Error::Utf8(_) => (CloseCode::INVALID_PAYLOAD, "the text is not UTF-8".to_owned()),
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => return None,
        tungstenite::Error::Protocol(error) => (CloseCode::PROTOCOL_ERROR, error.to_string()),
        _ => return None,
    };
    Some(CloseReason::server(code, words))
}

/// Writes what the outbox gives until it ends.
async fn write(sink: &mut SplitSink<WebSocket, ws::Message>, connection: &Connection) -> Result<(), axum::Error> {
    loop {
        let Batch { ping, frames, dropped, end } = connection.outbox().next().await;
        let mut tally = Tally { connection, written: 0, bytes: 0, left: frames.len() };
        if ping {
            sink.feed(ws::Message::Ping(Bytes::new())).await?;
        }
        for frame in frames {
            let bytes = frame.len();
            sink.feed(message(frame)).await?;
            tally.one_more(bytes);
        }
        for told in dropped_frames(connection, dropped) {
            sink.feed(message(told)).await?;
        }
        sink.flush().await?;
        drop(tally);
        if let Some(reason) = end {
            let frame = CloseFrame { code: reason.code().as_u16(), reason: reason.text().to_owned().into() };
            // Fails where the client has closed already, and then it needs no answer from here.
            let _ = sink.send(ws::Message::Close(Some(frame))).await;
            return Ok(());
        }
    }
}

/// Counts a batch when it is done, or given up: each of its messages was written or dropped.
struct Tally<'a> {
    connection: &'a Connection,
    written: usize,
    bytes: usize,
    left: usize,
}

impl Tally<'_> {
    fn one_more(&mut self, bytes: usize) {
        self.written += 1;
        self.bytes += bytes;
        self.left -= 1;
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.connection.written(self.written, self.bytes);
        self.connection.link().counters.add_dropped(self.left);
    }
}

fn message(frame: Frame) -> ws::Message {
    match frame {
        Frame::Text(text) => match ws::Utf8Bytes::try_from(text.into_bytes()) {
            Ok(text) => ws::Message::Text(text),
            Err(_) => ws::Message::Text(ws::Utf8Bytes::default()),
        },
        Frame::Binary(data) => ws::Message::Binary(data),
    }
}

/// `$dropped`, for a client that understands it: one for each group.
pub(crate) fn dropped_frames(connection: &Connection, dropped: Dropped) -> impl Iterator<Item = Frame> + '_ {
    #[derive(serde::Serialize)]
    struct Told {
        count: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<Box<str>>,
    }
    let link = connection.link();
    dropped.into_iter().filter(|_| link.extras).filter_map(|(group, count)| {
        let json = control_frame(link.layout, "$dropped", Some(&Told { count, group }), None).ok()?;
        crate::connection::Encoded::new(&link.serializers, &json).frame(link.serializer)
    })
}
