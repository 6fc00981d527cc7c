//! One way of one connection.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::state::{End, Shared, State};

/// Read at once.
const CHUNK: usize = 16 << 10;

/// Chunks on their way: what a connection holds while nothing passes, besides the buffers of the kernel.
const CHUNKS: usize = 256;

/// The connection is to be reset.
pub(super) struct Broken;

enum Piece {
    Bytes(Bytes),
    End,
    Reset,
}

/// Passes on what is read until its end, as the state tells.
pub(super) async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    lane: usize,
    shared: &Shared,
    began: &State,
) -> Result<(), Broken> {
    let (pieces, arriving) = mpsc::channel(CHUNKS);
    let half_closes = began.lanes[lane].half_closes;
    let writer = Writer { to, lane, half_closes, shared, state: shared.state.subscribe() };
    tokio::try_join!(read(from, pieces), writer.run(arriving)).map(drop)
}

/// Notes when something arrived, so that a delay adds time and takes no throughput.
async fn read(mut from: ReadHalf<'_>, pieces: mpsc::Sender<(Instant, Piece)>) -> Result<(), Broken> {
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let piece = match from.read_buf(&mut chunk).await {
            Ok(0) => Piece::End,
            Ok(_) => Piece::Bytes(chunk.freeze()),
            Err(_) => Piece::Reset,
        };
        let last = !matches!(piece, Piece::Bytes(_));
        if pieces.send((Instant::now(), piece)).await.is_err() || last {
            return Ok(());
        }
    }
}

struct Writer<'a> {
    to: WriteHalf<'a>,
    lane: usize,
    /// As many as there had been when the connection began.
    half_closes: u64,
    shared: &'a Shared,
    state: watch::Receiver<State>,
}

impl Writer<'_> {
    async fn run(mut self, mut arriving: mpsc::Receiver<(Instant, Piece)>) -> Result<(), Broken> {
        let (lane, half_closes) = (self.lane, self.half_closes);
        let half_closed = self.shared.when(move |state| state.lanes[lane].half_closes != half_closes);
        let passing = async {
            while let Some((arrived, piece)) = arriving.recv().await {
                self.wait(arrived).await;
                match piece {
                    Piece::Bytes(bytes) => match self.write(&bytes).await? {
                        None => {}
                        Some(End::Closed) => return Ok(true),
                        Some(End::Silent) => return Ok(false),
                        Some(End::Reset) => return Err(Broken),
                    },
                    Piece::End => return Ok(true),
                    Piece::Reset => return Err(Broken),
                }
            }
            Ok(true)
        };
        let is_told = tokio::select! {
            passed = passing => passed?,
            () = half_closed => true,
        };
        if is_told {
            let _ = self.to.shutdown().await;
        }
        // What is still sent goes nowhere; the sender is not told.
        while let Some((arrived, piece)) = arriving.recv().await {
            if let Piece::Reset = piece
                && is_told
            {
                self.wait(arrived).await;
                return Err(Broken);
            }
        }
        Ok(())
    }

    /// Until what arrived then may pass.
    async fn wait(&mut self, arrived: Instant) {
        loop {
            let lane = self.state.borrow_and_update().lanes[self.lane];
            tokio::select! {
                () = sleep_until(arrived + lane.delay), if !lane.held => return,
                // The proxy is gone, and this with it.
                changed = self.state.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<Option<End>, Broken> {
        let (length, end) = self.shared.take(self.lane, bytes.len());
        self.to.write_all(&bytes[..length]).await.map_err(|_| Broken)?;
        self.shared.bytes[self.lane].fetch_add(length as u64, Ordering::SeqCst);
        Ok(end)
    }
}
