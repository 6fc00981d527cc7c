//! A network that fails on command, between a client and a server.

mod pump;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use self::pump::{Broken, pump};
use self::state::{Shared, State, TO_CLIENT, TO_SERVER};

pub use self::state::{End, Way};

/// Listens on a port of its own and passes each connection on to a server, until told otherwise. What it does can be
/// changed at any time, from any thread, for connections that are open too. Dropped, it closes all.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts one that passes everything on to `server`, on the runtime of the caller.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let listening = tokio::spawn(listen(listener, server, Arc::clone(&shared)));
        Self { address, shared, listening }
    }

    /// Where a client connects.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything passes again, what was held back too.
    pub fn pass(&self) {
        self.shared.change(State::heal);
        self.shared.cuts.iter().for_each(|cut| *cut.lock().unwrap() = None);
    }

    /// As a partition: connections stay open, and what is sent this way is held back, to the end of the connection.
    /// What TCP would send again after a partition comes out at [`pass`](Self::pass).
    pub fn blackhole(&self, way: Way) {
        self.shared.change(|state| state.each(way, |lane| lane.held = true));
    }

    /// What is sent this way arrives this much later, as much of it as before.
    pub fn delay(&self, way: Way, delay: Duration) {
        self.shared.change(|state| state.each(way, |lane| lane.delay = delay));
    }

    /// Connections that are open now are reset, on both sides.
    pub fn reset(&self) {
        self.shared.change(|state| state.resets += 1);
    }

    /// New connections are reset as soon as they are made.
    pub fn refuse(&self) {
        self.shared.change(|state| state.refusing = true);
    }

    /// Connections that are open now end this way only: the receiver reads the end, the sender may go on to send
    /// into nowhere, and the other way is as before.
    pub fn half_close(&self, way: Way) {
        self.shared.change(|state| state.each(way, |lane| lane.half_closes += 1));
    }

    /// The connection that is first to get this many bytes more through this way ends behind them: in the middle of
    /// what was sent. Bytes of all connections count; [`Way::Both`] is whichever way is first to.
    pub fn cut_after(&self, way: Way, bytes: u64, end: End) {
        for lane in way.lanes() {
            *self.shared.cuts[lane].lock().unwrap() = Some((bytes, end));
        }
    }

    /// How many connections there have been, refused ones too.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many bytes got through.
    pub fn bytes(&self, way: Way) -> u64 {
        way.lanes().map(|lane| self.shared.bytes[lane].load(Ordering::SeqCst)).sum()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The connections are this task's, and go with it.
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        // What happens from now on happens to this one, and whoever waits for it to be counted may rely on that.
        let began = shared.state.borrow().clone();
        if began.refusing {
            let _ = client.set_zero_linger();
        } else {
            let open = Open::new(&shared);
            connections.spawn(connection(client, server, open, began));
        }
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        while connections.try_join_next().is_some() {}
    }
}

/// Counts a connection for as long as it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(mut client: TcpStream, server: SocketAddr, open: Open, began: State) {
    let shared = &*open.0;
    let reset = || shared.when(|state| state.resets != began.resets);
    // The server hears of a client only when it can hear.
    let may_dial = tokio::select! {
        () = shared.when(|state| !state.lanes[TO_SERVER].held) => true,
        () = reset() => false,
    };
    if !may_dial {
        let _ = client.set_zero_linger();
        return;
    }
    // Not to be dropped half-way: the server, which may have accepted, would read an end instead of a reset.
    let Ok(mut server) = TcpStream::connect(server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let broken = {
        // Borrowed halves, since dropping an owned one sends an end before the reset.
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = pump(from_client, to_server, TO_SERVER, shared, &began);
        let back = pump(from_server, to_client, TO_CLIENT, shared, &began);
        tokio::select! {
            ended = async { tokio::try_join!(there, back) } => ended.is_err_and(|Broken| true),
            () = reset() => true,
        }
    };
    if broken {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}
