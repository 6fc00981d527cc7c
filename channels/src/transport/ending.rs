//! Goodbye: what is queued is written, both sides say so, and the socket is closed without a reset.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::reader::Reader;
use crate::connection::Connection;
use crate::layer::ConnectionManager;

/// How long a client has to take what is queued and to answer the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it has to answer a close frame that was written while the server drains: whoever has gone without a word must not hold
/// a deploy up.
const ANSWER_IN_A_DRAIN: Duration = Duration::from_secs(1);
/// How long a socket is read on whose client has nothing more to say.
const LINGER: Duration = Duration::from_secs(1);

/// Ends a connection whose session has ended. After the drain's deadline no client is waited for.
pub(super) async fn end<R>(mut reader: Reader<R>, connection: &Connection, manager: &ConnectionManager)
where
    R: AsyncRead + Unpin + Send,
{
    // What the session's last poll sent is written when that poll ends, whatever time is left afterwards.
    tokio::task::yield_now().await;
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    let goodbye = async {
        // Read while it is written: a client that does not read before it has written would wait for ever.
        match select(pin!(connection.outbox().finished()), pin!(reader.until_closed())).await {
            Either::Left(((), answer)) => {
                let patience = if manager.is_draining() { ANSWER_IN_A_DRAIN } else { CLOSE_TIMEOUT };
                let _ = tokio::time::timeout(patience, answer).await;
            }
            Either::Right(((), written)) => written.await,
        }
    };
    before(deadline, manager, goodbye).await;
    // What is left is lost; the writing side is shut down.
    connection.link().counters.add_dropped(connection.outbox().abandon());
    // Who broke the protocol may have much on the way, and reads the close frame only behind that.
    let linger = if reader.is_broken() { deadline } else { deadline.min(Instant::now() + LINGER) };
    before(linger, manager, reader.discard()).await;
}

async fn before(deadline: Instant, manager: &ConnectionManager, wait: impl Future<Output = ()>) {
    let _ = manager.deadline.run_until_cancelled(tokio::time::timeout_at(deadline, wait)).await;
}
