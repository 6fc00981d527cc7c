//! What became of handshakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The counters of one [`TlsListener`](super::TlsListener), live: a copy reads the same ones, also after axum has
/// taken the listener, and each is read on its own.
///
/// ```no_run
/// # async fn serve(
/// #     config: std::sync::Arc<channels::tls::rustls::ServerConfig>,
/// #     app: axum::Router,
/// # ) -> std::io::Result<()> {
/// let listener = channels::tls::TlsListener::bind("0.0.0.0:443", config).await?;
/// let tls = listener.stats();
/// tokio::spawn(async move { axum::serve(listener, app).await });
/// println!("{} handshakes, {} failed, {} were too slow", tls.done(), tls.failed(), tls.timed_out());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TlsStats(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    running: AtomicUsize,
    done: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Done,
    Failed,
    TimedOut,
}

impl TlsStats {
    /// Handshakes that run now; at most [`TlsListener::max_handshakes`](super::TlsListener::max_handshakes).
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::Relaxed)
    }

    /// Handshakes that succeeded since the start.
    pub fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Handshakes that failed since the start: no TLS, nothing in common, a certificate refused, a client gone.
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Handshakes that were given up since the start, as
    /// [`TlsListener::handshake_timeout`](super::TlsListener::handshake_timeout) had passed.
    pub fn timed_out(&self) -> u64 {
        self.0.timed_out.load(Ordering::Relaxed)
    }

    /// Counts a handshake as running until what is returned is dropped.
    pub(super) fn begin(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    pub(super) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Done => &self.0.done,
            Outcome::Failed => &self.0.failed,
            Outcome::TimedOut => &self.0.timed_out,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A handshake that runs. A guard, since it may also panic, or be dropped with its listener.
#[derive(Debug)]
pub(super) struct Running(TlsStats);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
