//! What a process is told to stop by.

use std::future::pending;

/// Waits until the process is asked to stop: by Ctrl-C anywhere, by SIGTERM on Unix, by closing the console or shutting
/// down on Windows. What a service manager, a container's runtime and a person at a keyboard send.
///
/// From the first poll on these no longer end the process by themselves, also after this has ended or was dropped: a
/// second Ctrl-C does nothing. Where the system lets nobody listen, it is logged, and this waits for the others.
///
/// # Cancel safety
///
/// Dropped and called again, it waits for the next one.
///
/// # Panics
///
/// Outside a tokio runtime.
///
/// ```no_run
/// # use channels::ChannelLayer;
/// # async fn run(layer: ChannelLayer, listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
/// let stop = layer.shutdown_on(channels::shutdown_signal());
/// axum::serve(listener, app).with_graceful_shutdown(stop).await?;
/// layer.drained().await;
/// # Ok(()) }
/// ```
pub async fn shutdown_signal() {
    tokio::select! {
        () = interrupt() => {}
        () = terminate() => {}
    }
}

async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "cannot listen for Ctrl-C");
        pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGTERM");
            pending::<()>().await;
        }
    }
}

#[cfg(windows)]
async fn terminate() {
    use tokio::signal::windows::{ctrl_close, ctrl_shutdown};
    match (ctrl_close(), ctrl_shutdown()) {
        (Ok(mut close), Ok(mut shutdown)) => {
            tokio::select! {
                _ = close.recv() => {}
                _ = shutdown.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "cannot listen for the console's end");
            pending::<()>().await;
        }
    }
}

#[cfg(not(any(unix, windows)))]
async fn terminate() {
    pending::<()>().await;
}
