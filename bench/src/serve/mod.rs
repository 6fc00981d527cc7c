//! The servers: one on the library's public API, and the two that it is compared with.
//!
//! They differ in how a connection is kept and written to, and in nothing else: the same listener, runtime, messages
//! and signals.

mod consumer;
#[cfg(feature = "heap")]
mod heap;
#[cfg(not(feature = "heap"))]
#[path = "no_heap.rs"]
mod heap;
mod settings;

use std::io::Read;
use std::net::Ipv4Addr;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Failure, baseline};
use settings::{Choice, Runtime, Settings};
pub(crate) use settings::{Seat, Seats};

const USAGE: &str = "\
A server on 127.0.0.1, path /ws. Every connection joins a group; `chat_message` goes to that group, `echo` back to
its sender, `join` and `leave` change groups, `group_message` goes to the one it names. `/ws?quiet=1` joins none.

usage: channels-bench serve [options]

  --baseline axum-ws   a server on axum's `ws` instead of the library
  --baseline direct    one that writes to the sockets itself
  --groups N           connection i joins group i % N; default: GROUPS, or 1
  --with-stdin         ends when standard input does, so that it never outlives who started it
  --help

environment:
  PORT=9001            0 takes a free one; the first line of the output tells it
  GROUPS=1             as --groups; in bash only by `env GROUPS=…`, since it has a variable of that name itself
  RT=current           or `multi`: the runtime
  ALLOCATIONS=1        with the feature `heap`: SIGUSR1 prints what is allocated, by size, and ends the server
  and every variable of `channels::Config`; with REDIS_URL set, and no BACKEND_TYPE, on the Redis backend";

/// `channels-bench serve`.
///
/// # Errors
///
/// If the command line or a variable is wrong, or the server cannot run.
pub(crate) fn main(arguments: Vec<std::ffi::OsString>) -> Result<(), Failure> {
    let Some(settings) = Settings::read(arguments, |name| std::env::var(name).ok())? else {
        crate::say(USAGE);
        return Ok(());
    };
    let mut runtime = match settings.runtime {
        Runtime::Current => tokio::runtime::Builder::new_current_thread(),
        Runtime::Multi => tokio::runtime::Builder::new_multi_thread(),
    };
    let seats = Seats::new(settings.groups);
    let heap = if settings.allocations { Some(heap::Heap::watch()?) } else { None };
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run(&settings, seats.clone()) => outcome,
            outcome = heap::asked(heap, &seats) => outcome,
        }
    });
    // Connections that are still open end with the process, not one after the other.
    runtime.shutdown_background();
    outcome
}

async fn run(settings: &Settings, seats: Seats) -> Result<(), Failure> {
    let warnings = tracing_subscriber::filter::LevelFilter::WARN;
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(warnings).init();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
    let address = listener.local_addr()?;
    let announce = || crate::say(format_args!("{} listens on ws://{address}/ws", settings.choice.name()));
    let end = ended(settings.with_stdin)?;
    match settings.choice {
        Choice::Channels => {
            // Before anything is said: it may refuse to start.
            let layer = consumer::layer().await?;
            announce();
            serve(listener, consumer::router(&layer, seats), layer.shutdown_on(end)).await?;
            layer.drained().await;
        }
        Choice::AxumWs => {
            announce();
            serve(listener, baseline::axum_ws::router(seats), end).await?;
        }
        Choice::Direct => {
            announce();
            serve(listener, baseline::direct::router(seats), end).await?;
        }
    }
    Ok(())
}

async fn serve(
    listener: TcpListener,
    app: Router,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let listener = listener.tap_io(|socket| {
        // Fails where the client has gone already, and then it does not matter.
        let _ = socket.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).with_graceful_shutdown(end).await?)
}

/// Waits for SIGTERM, Ctrl-C, and where it is wanted for the end of standard input.
fn ended(with_stdin: bool) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (closed, stdin) = tokio::sync::oneshot::channel::<()>();
    let kept = if with_stdin {
        // A thread of its own: the runtime would wait at its end for a read that never returns.
        std::thread::Builder::new().name("stdin".into()).spawn(move || {
            let _ = std::io::stdin().read(&mut [0]);
            drop(closed);
        })?;
        None
    } else {
        Some(closed)
    };
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = stdin => {}
        }
        drop(kept);
    })
}
