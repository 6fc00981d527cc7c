//! Two who send to one group, and one who comes and goes meanwhile.

use loom::sync::{Arc, Mutex};
use loom::thread::{self, JoinHandle};

use crate::every_order_with;
use crate::member::Member;

/// `Subscribers`: under its lock a message is pushed to all members.
struct Group(Mutex<Members>);

struct Members {
    members: Vec<Arc<Member>>,
    /// What was sent, in the order of the lock.
    sent: Vec<u32>,
}

impl Group {
    fn of(members: &[Arc<Member>]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Members { members: members.to_vec(), sent: Vec::new() })))
    }

    /// Gives a run of messages to all members; who is due to be written to.
    fn deliver(&self, run: &[u32]) -> Vec<Arc<Member>> {
        let mut group = self.0.lock().unwrap();
        group.sent.extend(run);
        let mut due = Vec::new();
        for member in &group.members {
            for number in run {
                if member.push(*number) {
                    due.push(Arc::clone(member));
                }
            }
        }
        due
    }

    /// How many were sent before.
    fn join(&self, member: &Arc<Member>) -> usize {
        let mut group = self.0.lock().unwrap();
        group.members.push(Arc::clone(member));
        group.sent.len()
    }

    fn leave(&self, member: &Arc<Member>) -> usize {
        let mut group = self.0.lock().unwrap();
        group.members.retain(|other| !Arc::ptr_eq(other, member));
        group.sent.len()
    }

    fn sent(&self) -> Vec<u32> {
        self.0.lock().unwrap().sent.clone()
    }
}

fn write(due: Vec<Arc<Member>>) {
    for member in due {
        assert!(member.write().is_none());
    }
}

fn publisher(group: &Arc<Group>, runs: &'static [&'static [u32]]) -> JoinHandle<()> {
    let group = Arc::clone(group);
    thread::spawn(move || runs.iter().for_each(|run| write(group.deliver(run))))
}

#[test]
fn all_members_see_one_order() {
    every_order_with(4, || {
        let members = [Member::quick(), Member::quick()];
        let group = Group::of(&members);
        let publishers = [publisher(&group, &[&[10], &[11]]), publisher(&group, &[&[20, 21]])];
        for publisher in publishers {
            publisher.join().unwrap();
        }
        for member in &members {
            member.check();
            assert_eq!(member.written(), group.sent());
        }
    });
}

#[test]
fn who_comes_and_goes_sees_what_was_sent_in_between() {
    every_order_with(4, || {
        let stays = Member::quick();
        let group = Group::of(std::slice::from_ref(&stays));
        let publishers = [publisher(&group, &[&[10], &[11]]), publisher(&group, &[&[20]])];
        let guest = Member::quick();
        let from = group.join(&guest);
        let to = group.leave(&guest);
        for publisher in publishers {
            publisher.join().unwrap();
        }
        stays.check();
        guest.check();
        assert_eq!(stays.written(), group.sent());
        assert_eq!(guest.written(), group.sent()[from..to]);
    });
}

/// A large group: the first slice is written by who sends, the second by a task, and meanwhile others send too.
#[test]
fn a_slice_that_is_written_later_keeps_the_order() {
    every_order_with(4, || {
        let members = [Member::quick(), Member::quick()];
        let group = Group::of(&members);
        let other = publisher(&group, &[&[20]]);
        let mut due = group.deliver(&[10]);
        let second = due.split_off(due.len().min(1));
        write(due);
        let task = thread::spawn(move || write(second));
        write(group.deliver(&[11]));
        other.join().unwrap();
        task.join().unwrap();
        for member in &members {
            member.check();
            assert_eq!(member.written(), group.sent());
        }
    });
}
