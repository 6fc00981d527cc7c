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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::request::Parts;
    use axum::response::Response;
    use tokio::net::tcp::OwnedReadHalf;
    #[cfg(unix)]
    use tokio::net::unix;
    use tokio::task::JoinError;

    use super::*;
    use crate::error::Error;
    use crate::extract::Context;
    use crate::id::UserId;
    use crate::message::{NoMessages, ReplySink};

    /// In steps of so many bytes tokio allocates a task.
    const STEP: usize = 128;
    /// What an idle connection's task has, as `docs/performance.md` tells.
    const TASK: usize = 3 * STEP;
    /// What tokio keeps of a task beside its future: the header, the scheduler and the id, the trailer.
    const OF_TOKIO: usize = 32 + 16 + 48;

    /// A future as tokio keeps it.
    #[expect(dead_code, reason = "only its size matters")]
    enum Stage<F: Future> {
        Running(F),
        Finished(Result<F::Output, JoinError>),
        Consumed,
    }

    /// As much as most have: a user and the name of a room, and a state that all share.
    #[expect(dead_code, reason = "only its size matters")]
    struct Plain {
        user: UserId,
        room: Arc<str>,
    }

    impl Consumer for Plain {
        type State = Arc<()>;
        type Outgoing = NoMessages;

        const NAMES: &'static [&'static str] = &[];

        async fn accept(_: &mut Parts, _: &Self::State) -> Result<Self, Response> {
            std::future::pending().await
        }

        async fn message(
            &mut self,
            _: &Context<'_, Self::State>,
            _: &mut dyn ReplySink<NoMessages>,
        ) -> Result<(), Error> {
            Ok(())
        }
    }

    /// What a task needs that runs what this function gives.
    fn task_of<R, F: Future>(_: fn(Reader<R>, Session<Plain>, Place) -> F) -> usize {
        OF_TOKIO + size_of::<Stage<F>>()
    }

    #[test]
    #[cfg_attr(not(target_pointer_width = "64"), ignore = "the numbers are those of 64 bits")]
    fn an_idle_connections_task_is_no_larger_than_it_was() {
        let task = task_of(direct::<OwnedReadHalf, Plain>);
        assert!(
            task <= TASK,
            "the task of an idle connection needs {task} B, and tokio allocates {STEP} at a time: each connection would take \
             {} B instead of {TASK}. What is new belongs into what it waits for, which is boxed while it waits, or behind a \
             pointer that is there already (`connection/rare.rs`).",
            task.next_multiple_of(STEP),
        );
        #[cfg(unix)]
        assert_eq!(task_of(direct::<unix::OwnedReadHalf, Plain>), task, "over a Unix socket it is the same");
    }
}
