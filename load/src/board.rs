//! What all clients write to: the checker, the faults, the latencies and a few counters.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::checker::Checker;
use crate::faults::{Faults, Kind};
use crate::plan::Plan;
use crate::text::Stamp;

/// Latencies above this count as this.
const LONGEST: Duration = Duration::from_secs(600);

/// The state behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) checker: Checker,
    pub(crate) faults: Faults,
    /// From sending to receipt, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// How late this program itself was with its messages, in microseconds.
    pub(crate) lag: Histogram<u64>,
    pub(crate) sent: u64,
    pub(crate) deliveries: u64,
    /// Payload bytes of the messages delivered.
    pub(crate) bytes: u64,
    /// Frames besides chat messages: who joined, who left, announcements.
    pub(crate) notices: u64,
}

/// Shared by all tasks of a run.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) plan: Arc<Plan>,
    characters: usize,
    began: Instant,
    state: Mutex<State>,
}

impl Board {
    /// An empty board; the clock of all stamps begins here.
    pub(crate) fn new(plan: Arc<Plan>, characters: usize) -> Self {
        let state = State {
            checker: Checker::new(Arc::clone(&plan)),
            faults: Faults::default(),
            latency: histogram(),
            lag: histogram(),
            sent: 0,
            deliveries: 0,
            bytes: 0,
            notices: 0,
        };
        Self { plan, characters, began: Instant::now(), state: Mutex::new(state) }
    }

    /// The state, for one short look or entry. The lock keeps the books of one message together:
    /// what the checker knows, the faults and the counters.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere ends the run as failed; the books are still the best account of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books a fault.
    pub(crate) fn fault(&self, kind: Kind, describe: impl FnOnce() -> String) {
        self.state().faults.add(kind, describe);
    }

    /// Books a message and gives its text. `None`, which is a fault, if the publisher is no member.
    pub(crate) fn send(&self, publisher: u32, room: u32) -> Option<String> {
        let mut state = self.state();
        let Some(sequence) = state.checker.send(publisher, room) else {
            state.faults.add(Kind::Corrupted, || format!("connection {publisher} is not in room {room}"));
            return None;
        };
        state.sent += 1;
        drop(state);
        Some(Stamp { publisher, room, sequence, sent_at: self.now() }.text(self.characters))
    }

    /// Books a chat message that a connection received.
    pub(crate) fn receive(&self, receiver: u32, author: &str, room: &str, text: &str, bytes: usize) {
        let now = self.now();
        let stamp = Stamp::read(text, self.characters)
            .filter(|stamp| author == user_name(stamp.publisher) && room == room_name(stamp.room));
        let mut guard = self.state();
        let state = &mut *guard;
        state.deliveries += 1;
        state.bytes += bytes as u64;
        let Some(stamp) = stamp else {
            state.faults.add(Kind::Corrupted, || {
                let start: String = text.chars().take(60).collect();
                format!("connection {receiver} got a text of {author} in {room} that was not sent so: {start:?}…")
            });
            return;
        };
        state.latency.saturating_record(now.saturating_sub(stamp.sent_at));
        state.checker.receive(receiver, stamp.publisher, stamp.room, stamp.sequence, &mut state.faults);
    }

    fn now(&self) -> u64 {
        micros(self.began.elapsed())
    }
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The user behind a connection; each has one.
pub(crate) fn user_name(connection: u32) -> String {
    format!("load-{connection}")
}

/// A room's name on the wire.
pub(crate) fn room_name(room: u32) -> String {
    format!("room-{room}")
}

fn histogram() -> Histogram<u64> {
    // Three digits of precision, from a microsecond up: these constants are always accepted.
    Histogram::new_with_max(micros(LONGEST), 3).expect("valid bounds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    #[test]
    fn a_message_must_come_back_unchanged_and_under_its_own_name() {
        let options = Options { connections: 2, rooms: 1, rooms_per_connection: 1, ..Options::default() };
        let board = Board::new(Plan::new(&options).into(), options.characters);
        let text = board.send(0, 0).unwrap();
        board.receive(0, "load-0", "room-0", &text, 5_000);
        assert_eq!(board.state().faults.total(), 0);
        board.receive(1, "load-1", "room-0", &text, 5_000);
        board.receive(1, "load-0", "room-1", &text, 5_000);
        board.receive(1, "load-0", "room-0", &text.to_uppercase(), 5_000);
        let state = board.state();
        assert_eq!((state.faults.count(Kind::Corrupted), state.checker.outstanding()), (3, 1));
        assert_eq!((state.sent, state.deliveries, state.latency.len()), (1, 4, 1));
    }
}
