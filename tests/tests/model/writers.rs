//! Who pushes writes: at once, or when the socket takes it.

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use crate::member::Member;
use crate::{every_order, every_order_with};

/// Sends; what the socket does not take goes to a thread that goes on whenever there is room.
fn send(member: &Arc<Member>, number: u32) -> Option<JoinHandle<()>> {
    let load = member.send(number)?;
    let member = Arc::clone(member);
    Some(thread::spawn(move || {
        let mut blocked = Some(load);
        while let Some(load) = blocked {
            member.socket.has_room_for(1);
            blocked = member.resume(load);
        }
    }))
}

/// Another thread sends two messages and this one a third; what they do not bring to an end others do.
fn two_send_to(member: &Arc<Member>) {
    let other = {
        let member = Arc::clone(member);
        thread::spawn(move || [10, 11].map(|number| send(&member, number)))
    };
    let going_on = send(member, 20);
    for going_on in other.join().unwrap().into_iter().chain([going_on]).flatten() {
        going_on.join().unwrap();
    }
}

fn check(member: &Member) {
    member.check();
    let mut written = member.written();
    written.retain(|number| *number != 20);
    assert_eq!(written, [10, 11], "one sender's are in its order");
}

#[test]
fn what_two_push_is_written_once_and_in_the_order_of_the_pushes() {
    every_order(|| {
        let member = Member::quick();
        two_send_to(&member);
        check(&member);
    });
}

#[test]
fn what_a_full_socket_does_not_take_is_written_when_it_does() {
    for room in 0..4 {
        every_order_with(5, move || {
            let member = Member::with_room_for(room);
            two_send_to(&member);
            check(&member);
        });
    }
}

/// A burst pushes for some time before it writes; meanwhile another may write what is due to be written, as where
/// an outbox is full.
#[test]
fn who_was_called_may_come_late() {
    every_order(|| {
        let member = Member::quick();
        let burst = {
            let member = Arc::clone(&member);
            thread::spawn(move || {
                let called = [10, 11].map(|number| member.push(number)).contains(&true);
                if called {
                    assert!(member.write().is_none());
                }
            })
        };
        let other = {
            let member = Arc::clone(&member);
            thread::spawn(move || {
                member.push(20);
                assert!(member.write().is_none());
            })
        };
        burst.join().unwrap();
        other.join().unwrap();
        member.check();
    });
}

#[test]
fn one_is_called_and_nobody_while_a_load_is_in_hand() {
    every_order(|| {
        let member = Member::with_room_for(1);
        assert!(member.push(10) && !member.push(11));
        let load = member.write().unwrap();
        assert!(!member.push(12), "whoever has the load looks again");
        assert!(member.write().is_none());
        member.socket.has_room_for(2);
        assert!(member.resume(load).is_none());
        assert!(member.push(13));
        let mut taken = member.lane.take().unwrap();
        assert!(!member.push(14));
        member.socket.has_room_for(2);
        member.write_taken(&mut taken);
        member.lane.put(taken);
        assert!(!member.push(15), "whoever takes looks again too");
        let mut taken = member.lane.take().unwrap();
        assert!(member.lane.take().is_none());
        member.socket.has_room_for(2);
        member.write_taken(&mut taken);
        member.check();
    });
}
