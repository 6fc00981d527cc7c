//! A connection that ends while somebody writes to it.

use loom::sync::Arc;
use loom::thread;

use crate::every_order;
use crate::member::{CLOSE, Member, Waiting};

#[test]
fn the_close_frame_is_the_last_and_comes_once() {
    every_order(|| {
        let member = Member::quick();
        let sender = {
            let member = Arc::clone(&member);
            thread::spawn(move || [10, 11].map(|number| member.send(number)))
        };
        let ((), called) = member.lane.change(|waiting| {
            waiting.push(CLOSE);
            waiting.closed = true;
        });
        if called {
            assert!(member.write().is_none());
        }
        sender.join().unwrap();
        member.check();
        assert_eq!(member.written().last(), Some(&CLOSE));
    });
}

/// Of what a sender pushed some was written, some thrown away, and some was in a writer's hand when it gave up; what
/// it pushed later was not taken on at all.
#[test]
fn who_writes_ends_when_nobody_reads_and_nothing_is_lost_uncounted() {
    for room in 0..3 {
        every_order(move || {
            let member = Member::with_room_for(room);
            let sender = {
                let member = Arc::clone(&member);
                thread::spawn(move || {
                    let in_hand = [10, 11, 12].map(|number| member.send(number));
                    // The socket never has room again: whoever waits for it hears of the end only.
                    in_hand.into_iter().flatten().map(|load| load.len()).sum::<usize>()
                })
            };
            let (thrown_away, called) = member.lane.change(Waiting::abandon);
            assert!(!called, "there is nothing to write");
            let pushed = member.pushed().len();
            let in_hand = sender.join().unwrap();
            assert_eq!(member.pushed().len(), pushed, "pushed after the end");
            assert_eq!(member.written().len() + thrown_away + in_hand, pushed);
            assert_eq!(member.written(), member.pushed()[..member.written().len()], "a gap");
        });
    }
}

/// A socket that takes what is in hand just when nobody reads any more.
#[test]
fn who_goes_on_after_the_end_takes_nothing_more() {
    every_order(|| {
        let member = Member::with_room_for(0);
        let load = member.send(10).unwrap();
        member.push(11);
        let going_on = {
            let member = Arc::clone(&member);
            thread::spawn(move || member.resume(load).is_some())
        };
        let waited = member.lane.change(Waiting::abandon).0;
        assert_eq!(waited, 1, "what waited was never in hand, as the socket is full");
        assert!(going_on.join().unwrap(), "the socket is still full");
        assert!(!member.push(12), "nobody is called any more");
        assert!(member.write().is_none());
        assert_eq!(member.written(), []);
    });
}
