//! One connection: it opens, joins its rooms, then posts when it is its turn and reads all the time.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};

use crate::board::{Board, room_name, user_name};
use crate::faults::Kind;

/// Tungstenite's default of 128 KiB for each of 5,000 connections would be 640 MB.
const READ_BUFFER: usize = 8 * 1024;

/// What every frame of the server looks like.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The part of a chat message that is checked.
#[derive(Deserialize)]
struct Posted<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    room: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// The part that `room_joined` and `room_info` share.
#[derive(Deserialize)]
struct InRoom<'a> {
    #[serde(borrow)]
    room: Cow<'a, str>,
}

type Socket = WebSocketStream<TcpStream>;

/// An open connection that is in all of its rooms.
#[derive(Debug)]
pub(crate) struct Client {
    board: Arc<Board>,
    number: u32,
    socket: Socket,
}

impl Client {
    /// Opens the connection and joins its rooms, one after the other.
    ///
    /// # Errors
    ///
    /// In words, if the server refuses or answers anything but what the contract says.
    pub(crate) async fn open(board: Arc<Board>, number: u32, server: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(server).await.map_err(|error| format!("cannot connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
        let address = format!("ws://{server}/ws/{}", user_name(number));
        let (socket, _) = tokio_tungstenite::client_async_with_config(address, stream, Some(config))
            .await
            .map_err(|error| format!("no handshake: {error}"))?;
        let mut client = Self { board, number, socket };
        client.expect("welcome", None).await?;
        let plan = Arc::clone(&client.board.plan);
        for &room in plan.rooms_of(number) {
            let room = room_name(room);
            let join = serde_json::json!({"type": "join_room", "data": {"room": room}}).to_string();
            client.socket.send(Message::text(join)).await.map_err(|error| format!("cannot join: {error}"))?;
            client.expect("room_joined", Some(&room)).await?;
            client.expect("room_info", Some(&room)).await?;
        }
        Ok(client)
    }

    /// Waits for one frame; only what others do may come before it, and before `welcome` nothing may.
    async fn expect(&mut self, wanted: &str, room: Option<&str>) -> Result<(), String> {
        loop {
            let frame = match self.socket.next().await {
                Some(Ok(Message::Text(frame))) => frame,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(other)) => return Err(format!("expected {wanted}, got {other:?}")),
                Some(Err(error)) => return Err(format!("expected {wanted}, got {error}")),
                None => return Err(format!("expected {wanted}, got the end of the connection")),
            };
            let envelope: Envelope<'_> =
                serde_json::from_str(&frame).map_err(|error| format!("no envelope ({error}): {frame}"))?;
            if envelope.kind == wanted {
                let here: Option<InRoom<'_>> = envelope.data.and_then(|data| serde_json::from_str(data.get()).ok());
                let fits = room.is_none_or(|room| here.is_some_and(|here| here.room == room));
                return if fits { Ok(()) } else { Err(format!("expected {wanted} for {room:?}, got {frame}")) };
            }
            if envelope.kind == "error" || room.is_none() {
                return Err(format!("expected {wanted}, got {frame}"));
            }
            self.board.state().notices += 1;
        }
    }

    /// Posts to the rooms that come in over `turns` and reads everything; when `turns` ends it closes
    /// the connection and waits for the server's own close frame.
    pub(crate) async fn run(self, turns: mpsc::Receiver<u32>) {
        let (sink, stream) = self.socket.split();
        let closing = AtomicBool::new(false);
        // Both directions go on at once: a server that stops reading must not keep us from reading.
        tokio::join!(
            write(&self.board, self.number, sink, turns, &closing),
            read(&self.board, self.number, stream, &closing)
        );
    }
}

async fn write(
    board: &Board,
    number: u32,
    mut sink: SplitSink<Socket, Message>,
    mut turns: mpsc::Receiver<u32>,
    closing: &AtomicBool,
) {
    while let Some(room) = turns.recv().await {
        let Some(text) = board.send(number, room) else {
            continue;
        };
        // The text and the name hold nothing that JSON would escape.
        let room = room_name(room);
        let frame = format!(r#"{{"type":"chat_message","data":{{"room":"{room}","text":"{text}"}}}}"#);
        // The reading side says why; that the message is lost is in the books.
        if sink.send(Message::text(frame)).await.is_err() {
            return;
        }
    }
    closing.store(true, Ordering::Relaxed);
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    // If this fails the reading side sees why.
    let _ = sink.send(Message::Close(Some(close))).await;
}

async fn read(board: &Board, number: u32, mut stream: SplitStream<Socket>, closing: &AtomicBool) {
    let mut answered = false;
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(Message::Text(frame)) => take(board, number, &frame),
            Ok(Message::Close(close)) => {
                answered = closing.load(Ordering::Relaxed);
                if !answered {
                    board.fault(Kind::Closed, || format!("connection {number} was closed by the server: {close:?}"));
                    return;
                }
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Binary(_) | Message::Frame(_)) => {
                board.fault(Kind::Corrupted, || format!("connection {number} got a binary frame"));
            }
            Err(error) => {
                board.fault(Kind::Closed, || format!("connection {number} broke: {error}"));
                return;
            }
        }
    }
    if !answered {
        board.fault(Kind::Closed, || format!("connection {number} ended without a close frame"));
    }
}

/// Books one text frame.
fn take(board: &Board, number: u32, frame: &str) {
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(frame) else {
        board.fault(Kind::Corrupted, || format!("connection {number} got no envelope: {frame}"));
        return;
    };
    match &*envelope.kind {
        "chat_message" => {
            let data = envelope.data.map_or("null", RawValue::get);
            match serde_json::from_str::<Posted<'_>>(data) {
                Ok(posted) => board.receive(number, &posted.user_id, &posted.room, &posted.text, frame.len()),
                Err(error) => {
                    board.fault(Kind::Corrupted, || format!("connection {number}, a chat_message: {error}"));
                }
            }
        }
        "error" => board.fault(Kind::ErrorFrame, || format!("connection {number} got {frame}")),
        _ => board.state().notices += 1,
    }
}
