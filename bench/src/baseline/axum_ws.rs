//! axum's `ws` as it comes: a task and a bounded queue a connection.

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{self, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::any;
use futures_util::SinkExt;
use tokio::sync::mpsc;

use super::groups::{Group, Groups};
use super::messages::Envelope;
use crate::serve::Seats;

/// Messages that may wait for one client; a slower one misses what comes then.
const QUEUE: usize = 1024;

type Queue = mpsc::Sender<Utf8Bytes>;

#[derive(Clone)]
struct App {
    groups: Arc<Groups<Queue>>,
    seats: Seats,
}

/// The server at `/ws`.
pub(crate) fn router(seats: Seats) -> Router {
    Router::new().route("/ws", any(upgrade)).with_state(App { groups: Arc::default(), seats })
}

async fn upgrade(RawQuery(query): RawQuery, State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    let seat = app.seats.take(query.as_deref());
    upgrade.on_upgrade(async move |socket| {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let home = seat.home.map(|name| app.groups.get(&name));
        if let Some(home) = &home {
            home.join(seat.number, queue.clone());
        }
        let member = Member { number: seat.number, queue, home, joined: Vec::new(), groups: app.groups };
        // Both ways end here, and so does the connection.
        let _ = member.run(socket, waiting).await;
    })
}

/// One connection. Dropped, it is in no group any more.
struct Member {
    number: usize,
    queue: Queue,
    home: Option<Arc<Group<Queue>>>,
    /// What it joined itself, to be left at its end.
    joined: Vec<Arc<Group<Queue>>>,
    groups: Arc<Groups<Queue>>,
}

impl Member {
    async fn run(mut self, mut socket: WebSocket, mut waiting: mpsc::Receiver<Utf8Bytes>) -> Result<(), axum::Error> {
        loop {
            tokio::select! {
                Some(text) = waiting.recv() => {
                    socket.feed(ws::Message::Text(text)).await?;
                    // What else waits goes out with the same write.
                    while let Ok(text) = waiting.try_recv() {
                        socket.feed(ws::Message::Text(text)).await?;
                    }
                    socket.flush().await?;
                }
                received = socket.recv() => match received {
                    Some(Ok(ws::Message::Text(text))) => self.handle(&text),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
            }
        }
    }

    fn handle(&mut self, text: &str) {
        let Ok(message) = serde_json::from_str::<Envelope<'_>>(text) else { return };
        match &message {
            Envelope::ChatMessage(_) => {
                if let Some(home) = &self.home {
                    publish(home, &message);
                }
            }
            Envelope::Echo(_) => {
                if let Some(text) = encode(&message) {
                    let _ = self.queue.try_send(text);
                }
            }
            Envelope::GroupMessage(text) => publish(&self.groups.get(&text.group), &message),
            Envelope::Join(join) => {
                let group = self.groups.get(&join.group);
                group.join(self.number, self.queue.clone());
                self.joined.push(group);
            }
            Envelope::Leave(leave) => {
                let group = self.groups.get(&leave.group);
                group.leave(self.number);
                self.joined.retain(|joined| !Arc::ptr_eq(joined, &group));
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        for group in self.home.iter().chain(&self.joined) {
            group.leave(self.number);
        }
    }
}

fn publish(group: &Group<Queue>, message: &Envelope<'_>) {
    let Some(text) = encode(message) else { return };
    for member in group.members().values() {
        // A full queue is a client that is too slow; a closed one has gone.
        let _ = member.try_send(text.clone());
    }
}

fn encode(message: &Envelope<'_>) -> Option<Utf8Bytes> {
    serde_json::to_string(message).ok().map(Utf8Bytes::from)
}
