//! All connections of a run: a task each, opened a few at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::board::Board;
use crate::client::Client;
use crate::faults::Kind;

/// Connections that open at the same time.
const OPENING: usize = 64;

/// How long opening may stand still before it is given up.
const OPENING_STALL: Duration = Duration::from_secs(30);

/// Posts that a connection may have waiting. In the seed's load a turn comes every ten seconds, so
/// more than a few waiting mean that the server does not read.
const TURNS: usize = 64;

/// How long all connections together may take to close.
const CLOSE: Duration = Duration::from_secs(30);

/// Descriptors that are not connections: the runtime's, the log, the status requests.
const OTHER_DESCRIPTORS: u64 = 64;

const POLL: Duration = Duration::from_millis(20);

/// The tasks, and the way to tell each of them that it is its turn.
#[derive(Debug)]
pub(crate) struct Connections {
    board: Arc<Board>,
    tasks: JoinSet<()>,
    turns: Vec<mpsc::Sender<u32>>,
}

impl Connections {
    /// Opens all and waits until everybody is in all of its rooms, or it is clear that it won't come to that.
    pub(crate) async fn open(board: &Arc<Board>, server: SocketAddr) -> Self {
        let count = board.plan.connections();
        let opened = Arc::new(AtomicU32::new(0));
        let permits = Arc::new(Semaphore::new(OPENING));
        let mut connections = Self { board: Arc::clone(board), tasks: JoinSet::new(), turns: Vec::new() };
        for number in 0..count {
            let (sender, turns) = mpsc::channel(TURNS);
            connections.turns.push(sender);
            let (board, opened, permits) = (Arc::clone(board), Arc::clone(&opened), Arc::clone(&permits));
            connections.tasks.spawn(async move {
                let permit = permits.acquire().await;
                match Client::open(Arc::clone(&board), number, server).await {
                    Ok(client) => {
                        drop(permit);
                        opened.fetch_add(1, Ordering::Relaxed);
                        client.run(turns).await;
                    }
                    Err(error) => board.fault(Kind::Opening, || format!("connection {number}: {error}")),
                }
            });
        }
        connections.all_opened(&opened, count).await;
        connections
    }

    async fn all_opened(&self, opened: &AtomicU32, count: u32) {
        let mut progress = (0, Instant::now());
        loop {
            let open = opened.load(Ordering::Relaxed);
            if open == count || self.board.state().faults.enough() {
                return;
            }
            if open > progress.0 {
                progress = (open, Instant::now());
            }
            if progress.1.elapsed() > OPENING_STALL {
                self.board.fault(Kind::Opening, || format!("stuck at {open} of {count} for {OPENING_STALL:?}"));
                return;
            }
            sleep(POLL).await;
        }
    }

    /// Lets a connection post to a room; never waits, since one slow connection must not hold up the others.
    pub(crate) fn post(&self, connection: u32, room: u32) {
        // A connection that has ended is a fault already, and the messages it does not send are counted.
        if let Err(TrySendError::Full(_)) = self.turns[connection as usize].try_send(room) {
            self.board.fault(Kind::Backlog, || format!("connection {connection} has {TURNS} posts waiting"));
        }
    }

    /// Whether no connection has a post waiting.
    pub(crate) fn idle(&self) -> bool {
        self.turns.iter().all(|turns| turns.is_closed() || turns.capacity() == TURNS)
    }

    /// Closes all and waits until the server has closed its side too.
    pub(crate) async fn close(&mut self) {
        // A task closes its connection when nobody can give it a turn any more.
        self.turns.clear();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended {
                    self.board.fault(Kind::Closed, || format!("a task of this program failed: {error}"));
                }
            }
        };
        if timeout(CLOSE, all).await.is_err() {
            let left = self.tasks.len();
            self.board.fault(Kind::Closed, || format!("{left} connections are not closed after {CLOSE:?}"));
            self.tasks.shutdown().await;
        }
    }
}

/// Whether this process, and so its child, may open that many connections.
///
/// # Errors
///
/// In words, with the limit and what is needed.
pub(crate) fn enough_descriptors(connections: u32) -> Result<(), String> {
    let needed = u64::from(connections) + OTHER_DESCRIPTORS;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => {
            Err(format!("{needed} file descriptors are needed and {limit} allowed: raise it with `ulimit -n {needed}`"))
        }
        _ => Ok(()),
    }
}
