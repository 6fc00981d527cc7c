//! A session over a socket, until both have ended.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use hyper::upgrade::OnUpgrade;
use tokio::io::AsyncRead;

use super::reader::Reader;
use super::socket::Socket;
use super::{ending, piped};
use crate::connection::{Wire, cork};
use crate::consumer::{Consumer, Session};
use crate::layer::Place;
use crate::websocket::Rules;

/// Waits for the upgrade, then runs the session in a task that is as large as its transport asks for.
pub(super) async fn upgraded<C: Consumer>(on_upgrade: OnUpgrade, session: Session<C>, place: Place) {
    let socket = match on_upgrade.await {
        Ok(upgraded) => Socket::of(upgraded),
        Err(error) => {
            tracing::debug!(%error, "the client has gone before the upgrade was done");
            return;
        }
    };
    let rules = Rules {
        max_message_size: session.layer.config().max_message_size(),
        masked: true,
        deflate: session.connection.link().variant.window != 0,
    };
    match socket {
        Socket::Tcp(socket, read) => {
            let (from, to) = socket.into_split();
            session.connection.attach(Wire::Tcp(to));
            let reader = Reader::new(from, session.connection.clone(), rules, &read);
            tokio::spawn(direct(reader, session, place));
        }
        #[cfg(unix)]
        Socket::Unix(socket, read) => {
            let (from, to) = socket.into_split();
            session.connection.attach(Wire::Unix(to));
            let reader = Reader::new(from, session.connection.clone(), rules, &read);
            tokio::spawn(direct(reader, session, place));
        }
        Socket::Other(stream) => {
            let (from, to) = tokio::io::split(stream);
            let reader = Reader::new(from, session.connection.clone(), rules, &[]);
            let writing = piped::write(to, session.connection.clone());
            tokio::spawn(both(direct(reader, session, place), writing));
        }
    }
}

/// The task only reads: who sends writes.
async fn direct<R, C>(mut reader: Reader<R>, mut session: Session<C>, place: Place)
where
    R: AsyncRead + Unpin + Send,
    C: Consumer,
{
    let connection = session.connection.clone();
    let manager = Arc::clone(session.layer.manager());
    corked(session.run(&mut reader)).await;
    // Boxed, so that no idle connection holds the memory for its end.
    ending::end(reader, connection, &manager).boxed().await;
    drop(place);
}

/// Runs what reads and what writes side by side; the end of the first is the end.
async fn both(reading: impl Future<Output = ()>, writing: impl Future<Output = ()>) {
    let (mut reading, mut writing) = (pin!(reading), pin!(writing.fuse()));
    loop {
        tokio::select! {
            biased;
            () = &mut reading => break,
            () = &mut writing => {}
        }
    }
    // What the stream takes at once it gets.
    let _ = writing.now_or_never();
}

/// Every poll is a burst: what it sends goes out together.
pub(super) async fn corked(work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    poll_fn(|cx| cork::corked(|| work.as_mut().poll(cx))).await;
}
