//! What a proxy does at the moment.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;

/// A way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What a client sends.
    ToServer,
    /// What a server sends.
    ToClient,
    Both,
}

/// How a cut connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The receiver reads the end; see [`FaultProxy::half_close`](super::FaultProxy::half_close).
    Closed,
    /// Both sides are reset.
    Reset,
    /// The receiver reads nothing more, not even the end, as where a network has forgotten the connection.
    Silent,
}

pub(super) const TO_SERVER: usize = 0;
pub(super) const TO_CLIENT: usize = 1;

impl Way {
    pub(super) fn lanes(self) -> std::ops::Range<usize> {
        match self {
            Self::ToServer => TO_SERVER..TO_SERVER + 1,
            Self::ToClient => TO_CLIENT..TO_CLIENT + 1,
            Self::Both => TO_SERVER..TO_CLIENT + 1,
        }
    }
}

/// Watched by every connection. An event is a number that grows: a connection compares it with what it was when it began.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) refusing: bool,
    pub(super) resets: u64,
    pub(super) lanes: [Lane; 2],
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    pub(super) held: bool,
    pub(super) delay: Duration,
    pub(super) half_closes: u64,
}

impl State {
    pub(super) fn each(&mut self, way: Way, change: impl FnMut(&mut Lane)) {
        self.lanes[way.lanes()].iter_mut().for_each(change);
    }

    /// What lasts is over; events have been.
    pub(super) fn heal(&mut self) {
        self.refusing = false;
        self.each(Way::Both, |lane| *lane = Lane { half_closes: lane.half_closes, ..Lane::default() });
    }
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) state: watch::Sender<State>,
    pub(super) cuts: [Mutex<Option<(u64, End)>>; 2],
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) bytes: [AtomicU64; 2],
}

impl Shared {
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    /// Waits until it is so, which it may be already.
    pub(super) async fn when(&self, so: impl FnMut(&State) -> bool) {
        // Whoever waits holds the sender, so that there is no error.
        let _ = self.state.subscribe().wait_for(so).await;
    }

    /// How much of this many bytes may pass, and what comes behind that.
    pub(super) fn take(&self, lane: usize, bytes: usize) -> (usize, Option<End>) {
        let mut cut = self.cuts[lane].lock().unwrap();
        let Some((left, end)) = *cut else { return (bytes, None) };
        if left <= bytes as u64 {
            *cut = None;
            return (left as usize, Some(end));
        }
        *cut = Some((left - bytes as u64, end));
        (bytes, None)
    }
}
