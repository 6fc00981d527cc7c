//! What a process is told to stop by.

use std::future::{Future, pending};

/// Waits until the process is asked to stop: by Ctrl-C anywhere, by SIGTERM on Unix, by closing the console or shutting
/// down on Windows. What a service manager, a container's runtime and a person at a keyboard send.
///
/// From this call on, not only from the first poll, these no longer end the process by themselves, also after the future
/// has ended or was dropped: a second Ctrl-C does nothing. So it is called before anybody is told that the server
/// is there: a signal that comes between the two is not missed. Where the system lets nobody listen, it is logged, and
/// this waits for the others.
///
/// # Cancel safety
///
/// Dropped and called again, it waits for the next one. Kept and polled again, nothing that came meanwhile is missed.
///
/// # Panics
///
/// Outside a tokio runtime.
///
/// ```no_run
/// # use channels::ChannelLayer;
/// # async fn run(layer: ChannelLayer, listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
/// let stop = channels::shutdown_signal();
/// println!("listens on {}", listener.local_addr()?);
/// layer.run(axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(stop))).await?;
/// # Ok(()) }
/// ```
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    // Both listen before this returns.
    let (interrupt, terminate) = (interrupt(), terminate());
    async move {
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
        }
    }
}

/// Waits for the next one; for ever where nobody can listen. A macro, as the systems' kinds of signals have no trait.
#[cfg(any(unix, windows))]
macro_rules! next_of {
    ($signal:expr, $what:literal) => {{
        let signal = $signal.inspect_err(|error| tracing::error!(%error, "cannot listen for {}", $what)).ok();
        async move {
            match signal {
                Some(mut signal) => drop(signal.recv().await),
                None => pending::<()>().await,
            }
        }
    }};
}

#[cfg(unix)]
fn interrupt() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    next_of!(signal(SignalKind::interrupt()), "Ctrl-C")
}

#[cfg(unix)]
fn terminate() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    next_of!(signal(SignalKind::terminate()), "SIGTERM")
}

#[cfg(windows)]
fn interrupt() -> impl Future<Output = ()> + Send + 'static {
    next_of!(tokio::signal::windows::ctrl_c(), "Ctrl-C")
}

#[cfg(windows)]
fn terminate() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::windows::{ctrl_close, ctrl_shutdown};
    let close = next_of!(ctrl_close(), "the console's end");
    let shutdown = next_of!(ctrl_shutdown(), "the system's end");
    async move {
        tokio::select! {
            () = close => {}
            () = shutdown => {}
        }
    }
}

#[cfg(not(any(unix, windows)))]
async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "cannot listen for Ctrl-C");
        pending::<()>().await;
    }
}

#[cfg(not(any(unix, windows)))]
async fn terminate() {
    pending::<()>().await;
}
