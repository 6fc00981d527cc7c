//! A connection as far as its way out goes: what waits for it, and its socket.

use std::collections::VecDeque;
// Nobody else is let in while it is held, so it is nothing for loom to try.
use std::sync::Mutex;

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use crate::lane::{Cargo, Lane, Progress};

/// The last of what is ever written.
pub(crate) const CLOSE: u32 = u32::MAX;

/// What a writer has in hand.
pub(crate) type Load = VecDeque<u32>;

/// What waits, as `Waiting` of `connection/outbox.rs` has it.
#[derive(Default)]
pub(crate) struct Waiting {
    queue: Load,
    /// All that was ever taken on, in the order of the pushes.
    pub(crate) pushed: Vec<u32>,
    pub(crate) closed: bool,
    /// Nobody reads any more.
    pub(crate) gone: bool,
}

impl Cargo for Waiting {
    type Load = Load;

    fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    fn load(&mut self) -> Option<Load> {
        let some = !self.gone && self.is_waiting();
        some.then(|| std::mem::take(&mut self.queue))
    }

    fn unload(&mut self, load: Load) {
        assert!(load.is_empty() || self.gone, "given up without a reason");
    }
}

impl Waiting {
    pub(crate) fn push(&mut self, number: u32) -> bool {
        if !self.closed {
            self.queue.push_back(number);
            self.pushed.push(number);
        }
        !self.closed
    }

    /// Throws away what nobody has in hand; how much that was.
    pub(crate) fn abandon(&mut self) -> usize {
        (self.closed, self.gone) = (true, true);
        std::mem::take(&mut self.queue).len()
    }
}

/// Takes as many numbers as there is room for, from one writer at a time.
pub(crate) struct Socket {
    /// Two who come here without having heard of each other fail the model.
    alone: UnsafeCell<()>,
    /// How many more it takes, and what it took.
    taken: Mutex<(usize, Vec<u32>)>,
}

impl Socket {
    fn write(&self, load: &mut Load) -> Progress {
        self.alone.with_mut(|_| {
            let (room, written) = &mut *self.taken.lock().unwrap();
            while !load.is_empty() && *room > 0 {
                written.extend(load.pop_front());
                *room -= 1;
            }
            if load.is_empty() { Progress::Done } else { Progress::Blocked }
        })
    }

    /// The client has read something.
    pub(crate) fn has_room_for(&self, more: usize) {
        self.taken.lock().unwrap().0 += more;
    }
}

pub(crate) struct Member {
    pub(crate) lane: Lane<Waiting>,
    pub(crate) socket: Socket,
}

impl Member {
    /// Its client reads all there is.
    pub(crate) fn quick() -> Arc<Self> {
        Self::with_room_for(usize::MAX)
    }

    /// Its client does not read, and the socket has room for so many.
    pub(crate) fn with_room_for(room: usize) -> Arc<Self> {
        let socket = Socket { alone: UnsafeCell::new(()), taken: Mutex::new((room, Vec::new())) };
        Arc::new(Self { lane: Lane::new(Waiting::default()), socket })
    }

    /// Whether the caller has to write.
    pub(crate) fn push(&self, number: u32) -> bool {
        self.lane.change(|waiting| waiting.push(number)).1
    }

    /// What the socket does not take comes back.
    pub(crate) fn write(&self) -> Option<Load> {
        self.lane.write(|load| self.socket.write(load))
    }

    /// What is sent outside of any burst.
    pub(crate) fn send(&self, number: u32) -> Option<Load> {
        if self.push(number) { self.write() } else { None }
    }

    pub(crate) fn resume(&self, load: Load) -> Option<Load> {
        self.lane.resume(load, |load| self.socket.write(load))
    }

    /// Writes what was taken.
    pub(crate) fn write_taken(&self, load: &mut Load) {
        assert_eq!(self.socket.write(load), Progress::Done);
    }

    pub(crate) fn written(&self) -> Vec<u32> {
        self.socket.taken.lock().unwrap().1.clone()
    }

    pub(crate) fn pushed(&self) -> Vec<u32> {
        self.lane.look(|waiting| waiting.pushed.clone())
    }

    /// Everything that was pushed is written, once and in that order; nothing waits for a writer that is not there.
    pub(crate) fn check(&self) {
        assert!(!self.lane.look(Waiting::is_waiting), "something waits, and nobody writes it");
        assert_eq!(self.written(), self.pushed(), "written, and pushed");
    }
}
