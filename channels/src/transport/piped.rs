//! Any stream: what the outbox gives is written by the connection's own task.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::close::CloseReason;
use crate::connection::{Batch, Connection, Tally};

/// Writes what the outbox gives, until nothing more will come or the stream takes no more.
pub(super) async fn write(mut to: impl AsyncWrite + Unpin, connection: Connection) {
    let outbox = connection.outbox();
    while !outbox.is_finished() {
        let mut given = Given { connection: &connection, batch: Some(outbox.next().await) };
        if let Err(error) = given.write(&mut to).await {
            tracing::debug!(connection = %connection.id(), %error, "cannot write");
            drop(given);
            // What was queued meanwhile has nobody who would take it.
            connection.link().counters.add_dropped(outbox.abandon());
            connection.close_with(CloseReason::lost());
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// A batch on its way; what is not written when it is dropped is counted.
struct Given<'a> {
    connection: &'a Connection,
    batch: Option<Batch>,
}

impl Given<'_> {
    async fn write(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let mut tally = Tally::default();
        let written = async {
            while let Some(chunk) = batch.queue.front_mut() {
                to.write_all_buf(&mut chunk.bytes).await?;
                batch.next_written(&mut tally);
            }
            to.flush().await
        };
        let outcome = written.await;
        self.connection.written_by_transport(tally);
        outcome
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.connection.link().counters.add_dropped(batch.unwritten());
            self.connection.outbox().done(batch);
        }
    }
}
