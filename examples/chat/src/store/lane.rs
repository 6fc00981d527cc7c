//! A thread that owns one connection, and the queue that feeds it.
//!
//! SQLite blocks, so it never runs on an async thread. A full queue makes its
//! callers wait. Whatever happens to the thread, every caller gets an answer:
//! a request that is dropped unanswered drops its reply channel, and that reads
//! as [`StoreError::Closed`].

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::StoreError;

/// How many requests may wait for a thread.
const QUEUE: usize = 1_024;

/// The async side of the thread.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    requests: mpsc::Sender<Request>,
    /// Closed once the thread has given up its connection.
    ended: watch::Receiver<()>,
}

/// What a lane is asked to do.
pub(super) enum Request {
    /// Do this.
    Run(Box<dyn Job>),
    /// Take nothing more, do what is queued, and end.
    Close,
}

/// A request in two steps, so that a commit can come in between.
pub(super) trait Job: Send {
    /// Does the work, once; an error means that its changes are not wanted.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// Answers: with the work's own error if it has one, else with that of the commit.
    /// Without [`run`](Job::run) before it, the answer is an error.
    fn answer(self: Box<Self>, commit: Result<(), StoreError>);
}

/// What a thread does with its connection and its queue, until the queue ends.
pub(super) type Work = fn(Connection, mpsc::Receiver<Request>);

impl Lane {
    /// Starts a thread that works off a queue.
    pub(super) fn start(name: &str, connection: Connection, work: Work) -> io::Result<Self> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (alive, ended) = watch::channel(());
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped last, and on a panic too.
            let _alive = alive;
            work(connection, queue);
        })?;
        Ok(Self { requests, ended })
    }

    /// Has `work` done on the thread.
    pub(super) async fn run<T, E, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<StoreError>,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Once { work: Some(work), outcome: None, reply });
        let sent = self.requests.send(Request::Run(job)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Refuses further requests, lets the queued ones finish, and returns when
    /// the connection is closed. A second call waits for the same.
    pub(super) async fn close(&self) {
        // An error means that the thread is ending already.
        let _ = self.requests.send(Request::Close).await;
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

struct Once<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T, E> Job for Once<F, T>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: Into<StoreError>,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let work = self.work.take().ok_or(StoreError::Closed)?;
        // What a panic leaves behind in the database is rolled back, and
        // nothing else outlives the closure.
        let outcome = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err(StoreError::Panicked),
        };
        let outcome = self.outcome.insert(outcome);
        outcome.as_ref().map(drop).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, commit: Result<(), StoreError>) {
        // Whoever asked may be gone, and then nobody misses the answer.
        let _ = self.reply.send(match self.outcome {
            Some(Ok(value)) => commit.map(|()| value),
            Some(Err(error)) => Err(error),
            None => Err(commit.err().unwrap_or(StoreError::Closed)),
        });
    }
}

/// The next request that is there already; a close that comes up takes effect.
pub(super) fn queued(queue: &mut mpsc::Receiver<Request>) -> Option<Box<dyn Job>> {
    loop {
        match queue.try_recv().ok()? {
            Request::Run(job) => return Some(job),
            Request::Close => queue.close(),
        }
    }
}

/// The next request, waited for; `None` when the queue has ended.
pub(super) fn next(queue: &mut mpsc::Receiver<Request>) -> Option<Box<dyn Job>> {
    loop {
        match queue.blocking_recv()? {
            Request::Run(job) => return Some(job),
            Request::Close => queue.close(),
        }
    }
}

/// Works off the queue, one request at a time, until it ends.
pub(super) fn read(connection: Connection, mut queue: mpsc::Receiver<Request>) {
    while let Some(mut job) = next(&mut queue) {
        let outcome = job.run(&connection);
        job.answer(outcome);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[tokio::test]
    async fn a_thread_that_dies_answers_with_an_error() {
        let lane = Lane::start("dies", connection(), |_, mut queue| {
            let _job = next(&mut queue);
            panic!("as the test wants");
        });
        let lane = lane.unwrap();
        for _ in 0..2 {
            let answer = lane.run(|_| Ok::<_, StoreError>(())).await;
            assert!(matches!(answer, Err(StoreError::Closed)));
        }
        lane.close().await;
    }

    #[tokio::test]
    async fn a_read_that_panics_is_an_error_and_the_next_one_works() {
        let lane = Lane::start("panics", connection(), read).unwrap();
        let panics = |_: &Connection| -> Result<(), StoreError> { panic!("as the test wants") };
        let answer = lane.run(panics).await;
        assert!(matches!(answer, Err(StoreError::Panicked)));
        let answer = lane.run(|db| db.query_row("SELECT 7", [], |row| row.get::<_, i64>(0)));
        assert_eq!(answer.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn more_callers_than_the_queue_holds_wait_and_are_answered() {
        let lane = Lane::start("full", connection(), read).unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..3 * QUEUE {
            let lane = lane.clone();
            calls.spawn(async move { lane.run(|_| Ok::<_, StoreError>(())).await });
        }
        for answer in calls.join_all().await {
            answer.unwrap();
        }
    }
}
