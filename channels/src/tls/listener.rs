//! Handshakes side by side, so that one client's cannot delay another's.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt, TapIo};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::stats::{Outcome, TlsStats};

/// How many handshakes run side by side, unless [`TlsListener::max_handshakes`] says otherwise.
pub const DEFAULT_MAX_HANDSHAKES: usize = 256;
/// How long a handshake may take, unless [`TlsListener::handshake_timeout`] says otherwise.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A listener whose connections speak TLS, for [`axum::serve`](fn@axum::serve).
///
/// It is generic over any listener of axum: TCP, a Unix socket, one's own.
///
/// # What one client can do to others
///
/// Each handshake is a task of its own, so nobody waits for a client that is slow, silent or speaks no TLS. A
/// handshake that fails, or takes longer than [`handshake_timeout`](Self::handshake_timeout), closes its
/// connection, is logged at `debug` and counted by [`stats`](Self::stats); the listener goes on.
///
/// At most [`max_handshakes`](Self::max_handshakes) run at a time, those included that are done and wait for axum to
/// take them. While there are as many, new connections wait in the kernel's backlog: whoever opens that many without
/// a word holds up new clients until the timeout, but takes no memory beyond the bound, and open connections don't
/// notice.
///
/// # Cancel safety
///
/// `accept` may be dropped and called again: the handshakes belong to the listener and go on meanwhile. Dropping
/// the listener ends those that run. The inner listener's `accept` is dropped and called again whenever a
/// handshake is done, so it has to be cancel safe too, as those of tokio's listeners are.
///
/// # Examples
///
/// Those of [the module](crate::tls), and with other bounds:
///
/// ```no_run
/// use std::time::Duration;
///
/// # async fn serve(
/// #     config: std::sync::Arc<channels::tls::rustls::ServerConfig>,
/// #     app: axum::Router,
/// # ) -> std::io::Result<()> {
/// let tcp = tokio::net::TcpListener::bind("0.0.0.0:443").await?;
/// let listener = channels::tls::TlsListener::new(tcp, config)
///     .max_handshakes(1000)
///     .handshake_timeout(Duration::from_secs(3));
/// axum::serve(listener, app).await
/// # }
/// ```
pub struct TlsListener<L: Listener> {
    inner: L,
    acceptor: TlsAcceptor,
    max_handshakes: usize,
    handshake_timeout: Duration,
    handshakes: JoinSet<Option<Accepted<L>>>,
    stats: TlsStats,
}

type Accepted<L> = (TlsStream<<L as Listener>::Io>, <L as Listener>::Addr);

impl TlsListener<TcpListener> {
    /// Listens for TCP connections at an address.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`]: the address is taken, not ours, or not allowed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, nothing listens.
    pub async fn bind(address: impl ToSocketAddrs, config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(Self::new(TcpListener::bind(address).await?, config))
    }
}

impl<L: Listener> TlsListener<L> {
    /// Speaks TLS with whoever connects to `inner`. A TCP stream gets `TCP_NODELAY`: a frame is to leave now, not
    /// when the one before it was acknowledged.
    pub fn new(inner: L, config: Arc<ServerConfig>) -> Self {
        Self {
            inner,
            acceptor: TlsAcceptor::from(config),
            max_handshakes: DEFAULT_MAX_HANDSHAKES,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            handshakes: JoinSet::new(),
            stats: TlsStats::default(),
        }
    }

    /// How many handshakes may run side by side; [`DEFAULT_MAX_HANDSHAKES`] unless said otherwise. 0 counts as 1.
    #[must_use]
    pub fn max_handshakes(mut self, count: usize) -> Self {
        self.max_handshakes = count.max(1);
        self
    }

    /// How long a handshake may take from the accepted connection to its end; [`DEFAULT_HANDSHAKE_TIMEOUT`] unless
    /// said otherwise.
    #[must_use]
    pub fn handshake_timeout(mut self, time: Duration) -> Self {
        self.handshake_timeout = time;
        self
    }

    /// What becomes of the handshakes, to be read while axum has the listener.
    pub fn stats(&self) -> TlsStats {
        self.stats.clone()
    }

    /// The same listener, as one whose addresses axum passes on: `into_make_service_with_connect_info::<L::Addr>()`,
    /// so that limits `by = ip` work.
    ///
    /// axum implements [`Connected`](axum::extract::connect_info::Connected) for its own listeners alone, and nobody
    /// else may for a `SocketAddr`; one that is wrapped by [`ListenerExt::tap_io`] is its own. Whoever calls `tap_io`
    /// anyway needs nothing else.
    ///
    /// ```no_run
    /// # async fn serve(
    /// #     config: std::sync::Arc<channels::tls::rustls::ServerConfig>,
    /// #     app: axum::Router,
    /// # ) -> std::io::Result<()> {
    /// let listener = channels::tls::TlsListener::bind("0.0.0.0:443", config).await?.with_connect_info();
    /// axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await
    /// # }
    /// ```
    pub fn with_connect_info(self) -> TapIo<Self, impl FnMut(&mut TlsStream<L::Io>) + Send + 'static>
    where
        L::Addr: fmt::Debug,
    {
        self.tap_io(|_| {})
    }

    fn begin(&mut self, mut io: L::Io, address: L::Addr)
    where
        L::Addr: fmt::Debug,
    {
        if let Some(tcp) = (&mut io as &mut dyn Any).downcast_mut::<TcpStream>() {
            // Fails where the client is gone already, and the handshake will say so.
            let _ = tcp.set_nodelay(true);
        }
        let handshake = timeout(self.handshake_timeout, self.acceptor.accept(io));
        let (stats, running) = (self.stats.clone(), self.stats.begin());
        self.handshakes.spawn(async move {
            let _running = running;
            let (outcome, accepted) = match handshake.await {
                Ok(Ok(stream)) => (Outcome::Done, Some((stream, address))),
                Ok(Err(error)) => {
                    tracing::debug!(client = ?address, %error, "a TLS handshake failed");
                    (Outcome::Failed, None)
                }
                Err(_) => {
                    tracing::debug!(client = ?address, "a TLS handshake was not done in time");
                    (Outcome::TimedOut, None)
                }
            };
            stats.count(outcome);
            accepted
        });
    }

    /// The connection of a handshake that has ended, if it has one.
    fn end(&self, ended: Result<Option<Accepted<L>>, JoinError>) -> Option<Accepted<L>> {
        ended.unwrap_or_else(|error| {
            tracing::debug!(%error, "a TLS handshake failed");
            self.stats.count(Outcome::Failed);
            None
        })
    }
}

impl<L> Listener for TlsListener<L>
where
    L: Listener,
    L::Addr: fmt::Debug,
{
    type Io = TlsStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                // First what is done: a flood of new connections must not keep those who have arrived from axum.
                biased;
                Some(ended) = self.handshakes.join_next() => {
                    if let Some(accepted) = self.end(ended) {
                        return accepted;
                    }
                }
                (io, address) = self.inner.accept(), if self.handshakes.len() < self.max_handshakes => {
                    self.begin(io, address);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

impl<L: Listener + fmt::Debug> fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("inner", &self.inner)
            .field("max_handshakes", &self.max_handshakes)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
