//! A join beside a recheck, as `layer/manager/membership.rs` orders them: who counts, who looks, who asks.

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::{every_order, every_order_with};

struct Room {
    /// What the hook looks at. Nobody but the layer orders it with anything.
    is_allowed: AtomicBool,
    rechecks: AtomicU64,
    is_member: Mutex<bool>,
}

impl Room {
    fn new() -> Arc<Self> {
        Arc::new(Self { is_allowed: AtomicBool::new(true), rechecks: AtomicU64::new(0), is_member: Mutex::new(false) })
    }

    fn ask(&self) -> bool {
        self.is_allowed.load(Ordering::Relaxed)
    }

    fn leave(&self) {
        *self.is_member.lock().unwrap() = false;
    }

    fn join(&self, asks_again: bool) {
        let rechecks = self.rechecks.load(Ordering::Acquire);
        if !self.ask() {
            return;
        }
        *self.is_member.lock().unwrap() = true;
        if asks_again && rechecks != self.rechecks.load(Ordering::Acquire) && !self.ask() {
            self.leave();
        }
    }

    fn recheck(&self) {
        self.rechecks.fetch_add(1, Ordering::AcqRel);
        let is_member = *self.is_member.lock().unwrap();
        if is_member && !self.ask() {
            self.leave();
        }
    }
}

/// `others` recheck meanwhile, for a reason of their own.
fn take_the_right_meanwhile(asks_again: bool, others: usize) {
    let room = Room::new();
    let joining = {
        let room = Arc::clone(&room);
        thread::spawn(move || room.join(asks_again))
    };
    let others = Vec::from_iter((0..others).map(|_| {
        let room = Arc::clone(&room);
        thread::spawn(move || room.recheck())
    }));
    room.is_allowed.store(false, Ordering::Relaxed);
    room.recheck();
    joining.join().unwrap();
    others.into_iter().for_each(|other| other.join().unwrap());
    assert!(!*room.is_member.lock().unwrap(), "the join slipped past the recheck");
}

#[test]
fn two_questions_are_enough_for_a_join() {
    every_order(|| take_the_right_meanwhile(true, 0));
    every_order_with(3, || take_the_right_meanwhile(true, 1));
}

#[test]
#[should_panic(expected = "the join slipped past the recheck")]
fn one_question_is_not() {
    every_order(|| take_the_right_meanwhile(false, 0));
}
