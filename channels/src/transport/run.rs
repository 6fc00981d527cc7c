//! A session over a socket, until both have ended.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
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
            return session.dismiss();
        }
    };
    let rules = Rules {
        max_message_size: session.layer.manager().largest_message(),
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

/// The task only reads: who sends writes. No `async fn`, which would hold its arguments twice.
fn direct<R, C>(mut reader: Reader<R>, mut session: Session<C>, place: Place) -> impl Future<Output = ()>
where
    R: AsyncRead + Unpin + Send,
    C: Consumer,
{
    Corked::new(async move {
        session.run(&mut reader).await;
        // Boxed, so that no idle connection holds the memory for its end.
        ending::end(reader, &session.connection, session.layer.manager()).boxed().await;
        session.dismiss();
        drop(place);
    })
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

pin_project! {
    /// Every poll is a burst: what it sends goes out together.
    pub(super) struct Corked<F> {
        #[pin]
        work: F,
    }
}

impl<F> Corked<F> {
    pub(super) fn new(work: F) -> Self {
        Self { work }
    }
}

impl<F: Future> Future for Corked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        cork::corked(|| self.project().work.poll(cx))
    }
}
