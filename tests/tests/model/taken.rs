//! A transport that takes what waits, and sleeps where nothing does.

use loom::sync::{Arc, Notify};
use loom::thread;

use crate::lane::Cargo;
use crate::member::{CLOSE, Member, Waiting};
use crate::{every_order, every_order_with};

/// `Outbox::change` where a transport takes: who is called wakes it.
fn push(member: &Member, ready: &Notify, number: u32) {
    let (_, called) = member.lane.change(|waiting| waiting.push(number));
    if called {
        ready.notify();
    }
}

#[test]
fn who_takes_is_woken_for_all_there_is() {
    every_order_with(3, || {
        let (member, ready) = (Member::quick(), Arc::new(Notify::new()));
        let senders = [10, 20].map(|first| {
            let (member, ready) = (Arc::clone(&member), Arc::clone(&ready));
            thread::spawn(move || push(&member, &ready, first))
        });
        // `Outbox::next`, and what is written back by `Outbox::done`; a sleep that nobody ends fails the model.
        while member.written().len() < 2 {
            match member.lane.take() {
                Some(mut load) => {
                    member.write_taken(&mut load);
                    member.lane.put(load);
                }
                None => ready.wait(),
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(member.lane.take().is_none());
        member.check();
    });
}

#[test]
fn who_takes_gets_the_close_frame_last() {
    every_order(|| {
        let (member, ready) = (Member::quick(), Arc::new(Notify::new()));
        let sender = {
            let (member, ready) = (Arc::clone(&member), Arc::clone(&ready));
            thread::spawn(move || {
                push(&member, &ready, 10);
                push(&member, &ready, 11);
                push(&member, &ready, CLOSE);
            })
        };
        while member.written().last() != Some(&CLOSE) {
            match member.lane.take() {
                Some(mut load) => {
                    member.write_taken(&mut load);
                    member.lane.put(load);
                }
                None => ready.wait(),
            }
        }
        sender.join().unwrap();
        assert!(!member.lane.look(Waiting::is_waiting));
        assert_eq!(member.written(), [10, 11, CLOSE]);
    });
}
