//! Somebody who waits until something was written: `Outbox::until` and `Outbox::tell_written`, line by line.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

use crate::every_order_with;
use crate::lane::Cargo;
use crate::member::{Load, Member, Waiting};

struct Outbox {
    member: Arc<Member>,
    written: Notify,
    asked: AtomicBool,
}

impl Outbox {
    fn new(member: Arc<Member>) -> Arc<Self> {
        Arc::new(Self { member, written: Notify::new(), asked: AtomicBool::new(false) })
    }

    fn write(&self) -> Option<Load> {
        let blocked = self.member.write();
        self.tell_written();
        blocked
    }

    fn tell_written(&self) {
        if self.asked.load(Ordering::Relaxed) {
            self.written.notify();
        }
    }

    fn until(&self, reached: impl Fn(&Self) -> bool) {
        if reached(self) {
            return;
        }
        self.asked.store(true, Ordering::Relaxed);
        while !reached(self) {
            self.written.wait();
        }
        self.asked.store(false, Ordering::Relaxed);
    }

    fn has_room(&self) -> bool {
        !self.member.lane.look(Waiting::is_waiting)
    }
}

/// A session waits for room, twice, while what fills its outbox is written by another thread.
#[test]
fn who_waits_for_room_is_told_of_it() {
    every_order_with(4, || {
        let outbox = Outbox::new(Member::quick());
        // Both have been called: what is pushed is due to be written.
        assert!(outbox.member.push(10));
        let writer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                assert!(outbox.write().is_none());
                if outbox.member.push(11) {
                    assert!(outbox.write().is_none());
                }
            })
        };
        outbox.until(Outbox::has_room);
        outbox.until(Outbox::has_room);
        writer.join().unwrap();
        outbox.member.check();
    });
}

/// Two who write: the one that finds the other at it tells nothing new, and the other does.
#[test]
fn who_waits_is_told_by_the_writer_that_was_at_it() {
    every_order_with(3, || {
        let outbox = Outbox::new(Member::quick());
        let writers = [10, 20].map(|number| {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                if outbox.member.push(number) {
                    assert!(outbox.write().is_none());
                }
            })
        });
        outbox.until(|outbox| outbox.member.pushed().len() == 2 && outbox.has_room());
        for writer in writers {
            writer.join().unwrap();
        }
        outbox.member.check();
    });
}
