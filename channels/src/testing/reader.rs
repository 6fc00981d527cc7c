//! The reading half of a client: it takes what the server sends, and answers as a browser does by itself.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::sync::{mpsc, watch};

use crate::close::{CloseCode, CloseReason};
use crate::connection::{Connection, Tally, cork};
use crate::consumer::{Received as Inbound, Source};
use crate::message::Frame;
use crate::websocket::{Decoder, Event};

/// What came.
pub(super) enum Arrival {
    Frame(Frame),
    End(CloseReason),
}

/// What a test turns on and off in the reader.
#[derive(Default)]
pub(super) struct Switches {
    pub(super) silent: AtomicBool,
    pub(super) pings: AtomicUsize,
}

/// The reading half of a client: a transport, but for the bytes.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) to: mpsc::WeakSender<Inbound>,
    pub(super) arrivals: mpsc::UnboundedSender<Arrival>,
    pub(super) switches: Arc<Switches>,
    pub(super) reading: watch::Receiver<bool>,
    pub(super) decoder: Decoder,
}

/// What the client sends, for the session.
pub(super) struct Sent(pub(super) mpsc::Receiver<Inbound>);

impl Source for Sent {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        cork::flush();
        self.0.poll_recv(cx)
    }
}

impl Reader {
    pub(super) async fn run(mut self) {
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
