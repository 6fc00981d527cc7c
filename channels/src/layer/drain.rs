//! The end of a server, in order: no new connections, clients told to come back, what is queued
//! written, hooks run; at the deadline handlers are dropped, and hooks still run.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::ChannelLayer;
use super::manager::ConnectionManager;
use crate::backend::Backend;
use crate::close::{CloseCode, CloseReason};
use crate::connection::Connection;
use crate::message::control_frame;

/// How long a session may take to end after its `#[disconnect]`, when nothing is waited for any more.
const LAST_STEPS: Duration = Duration::from_secs(1);

/// What a drain came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that had not ended at the deadline: their handlers were dropped.
    pub dropped: usize,
}

#[derive(Serialize)]
struct Reconnect {
    after_ms: u64,
}

impl ChannelLayer {
    /// A future for `axum::serve(…).with_graceful_shutdown(…)`: waits for the signal, then begins the
    /// drain. axum forgets a connection at its upgrade, so afterwards await [`ChannelLayer::drained`].
    ///
    /// ```no_run
    /// # use channels::ChannelLayer;
    /// # async fn run(layer: ChannelLayer, listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
    /// let ctrl_c = async { tokio::signal::ctrl_c().await.ok(); };
    /// axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(ctrl_c)).await?;
    /// layer.drained().await;
    /// # Ok(()) }
    /// ```
    pub fn shutdown_on<O>(
        &self,
        signal: impl Future<Output = O> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let layer = self.clone();
        async move {
            drop(Box::pin(signal).await);
            layer.drain();
        }
    }

    /// Begins the drain and returns at once: new upgrades get 503, every client a close with 1012, and
    /// where it negotiated the extras a `$reconnect {"after_ms"}` before. A second call does nothing.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn drain(&self) {
        let manager = Arc::clone(self.manager());
        if manager.draining.is_cancelled() {
            return;
        }
        manager.draining.cancel();
        tracing::info!(connections = manager.registry.connection_count(), "draining");
        tokio::spawn(async move {
            let timeout = manager.config.drain_timeout();
            let until_then = async {
                manager.registry.for_each(1, async |connection| manager.tell(&connection)).await;
                manager.deadline.cancelled().await;
            };
            if tokio::time::timeout(timeout, until_then).await.is_err() {
                let connections = manager.registry.connection_count();
                tracing::warn!(connections, ?timeout, "the drain's deadline has passed");
                manager.late.store(connections, Ordering::Relaxed);
                manager.deadline.cancel();
                // Who has not been told yet is told now, whatever that takes: nothing else ends an idle session.
                manager.registry.for_each(1, async |connection| manager.tell(&connection)).await;
            }
        });
    }

    /// Waits until a drain has ended or its deadline has passed; begins none. For a server that may be kept
    /// open by something else than its sockets, such as an HTTP request that never ends:
    ///
    /// ```no_run
    /// # use channels::ChannelLayer;
    /// # async fn run(layer: ChannelLayer, listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
    /// let server = axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(tokio::signal::ctrl_c()));
    /// tokio::select! {
    ///     served = async { server.await } => served?,
    ///     () = layer.drain_ended() => {}
    /// }
    /// layer.drained().await;
    /// # Ok(()) }
    /// ```
    pub async fn drain_ended(&self) {
        self.manager().deadline.cancelled().await;
    }

    /// Waits until the drain is done: every socket closed and every `#[disconnect]` run. Begins the
    /// drain where nobody has. Afterwards the backend is stopped.
    ///
    /// When `WS_DRAIN_TIMEOUT` is over, handlers are dropped where they are and clients are waited for
    /// no longer; each `#[disconnect]` still has its `WS_DISCONNECT_TIMEOUT`. It takes no longer than
    /// both together and a second.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the drain goes on to its deadline.
    pub async fn drained(&self) -> Drained {
        self.drain();
        let manager = self.manager();
        manager.sessions.close();
        tokio::select! {
            () = manager.sessions.wait() => {}
            () = manager.deadline.cancelled() => {}
        }
        manager.deadline.cancel();
        let hooks = manager.config.disconnect_timeout() + LAST_STEPS;
        if tokio::time::timeout(hooks, manager.sessions.wait()).await.is_err() {
            tracing::error!("sessions do not end: a handler or hook blocks its thread");
        }
        manager.backend.stop().await;
        Drained { dropped: manager.late.load(Ordering::Relaxed) }
    }
}

impl ConnectionManager {
    /// Tells a client that was admitted before the drain and registered after it began.
    pub(crate) fn tell_if_draining(&self, connection: &Connection) {
        if self.is_draining() {
            self.tell(connection);
        }
    }

    fn tell(&self, connection: &Connection) {
        if connection.is_closing() {
            return;
        }
        if connection.link().extras {
            let after_ms = reconnect_after(self.config.reconnect_delay(), connection.id().sequence());
            let frame = control_frame(connection.link().layout, "$reconnect", Some(&Reconnect { after_ms }), None);
            // A client whose outbox is full learns the same from the close code.
            let _ = frame.and_then(|frame| connection.send_json(&frame));
        }
        connection.close_with(CloseReason::server(CloseCode::SERVICE_RESTART, "the server restarts"));
    }
}

/// Spreads clients evenly over the delay, so that they do not all come back at once.
fn reconnect_after(delay: Duration, sequence: u64) -> u64 {
    const STEPS: u64 = 1000;
    // A multiplicative hash: neighbours in the sequence land far apart.
    let step = sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(step % STEPS) / STEPS
}
