//! Whether everybody got what it should, once, and in order.
//!
//! Three things are checked, exactly, while messages come in:
//!
//! 1. every member of a room gets every message of that room once;
//! 2. of one publisher a member gets the messages of a room in the order in which they were sent;
//! 3. all members of a room get its messages in one and the same order (promise M2).
//!
//! What is kept is small: for each member and publisher of a room the next sequence number and the
//! gaps, and of a room's order only the part that some member has not seen yet.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::faults::{Faults, Kind};
use crate::plan::Plan;

/// One message of a room: the publisher's place among its members, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    publisher: u32,
    sequence: u32,
}

/// What one member got from one publisher of a room.
#[derive(Debug, Clone, Default)]
struct Received {
    next: u32,
    /// Numbers below `next` that have not come.
    missing: Vec<u32>,
}

/// How a message stands to those that came before it from the same publisher.
#[derive(Debug, PartialEq, Eq)]
enum Arrival {
    InOrder,
    Late,
    Again,
}

impl Received {
    fn take(&mut self, sequence: u32) -> Arrival {
        if sequence >= self.next {
            self.missing.extend(self.next..sequence);
            self.next = sequence + 1;
            return Arrival::InOrder;
        }
        match self.missing.iter().position(|&missing| missing == sequence) {
            Some(at) => {
                self.missing.swap_remove(at);
                Arrival::Late
            }
            None => Arrival::Again,
        }
    }
}

#[derive(Debug)]
struct Member {
    /// By the publisher's place among the room's members.
    received: Vec<Received>,
    /// How far this member has come in the room's order.
    cursor: u64,
    /// What it has passed over in the room's order and not seen yet.
    skipped: Vec<Entry>,
}

/// The order of a room's messages, as whoever was first to see each of them saw it.
#[derive(Debug, Default)]
struct Order {
    /// Entries that every member has passed are dropped; this counts them.
    dropped: u64,
    entries: VecDeque<Entry>,
}

impl Order {
    fn end(&self) -> u64 {
        self.dropped + self.entries.len() as u64
    }

    fn at(&self, position: u64) -> Option<Entry> {
        let index = usize::try_from(position.checked_sub(self.dropped)?).ok()?;
        self.entries.get(index).copied()
    }

    /// Moves a member past `entry`; false if others saw it before something this member has seen already.
    fn follow(&mut self, member: &mut Member, entry: Entry) -> bool {
        if let Some(at) = member.skipped.iter().position(|skipped| *skipped == entry) {
            member.skipped.swap_remove(at);
            return false;
        }
        while let Some(expected) = self.at(member.cursor) {
            member.cursor += 1;
            if expected == entry {
                return true;
            }
            // It may still come, which is a disagreement, or it may never come, which is a loss.
            member.skipped.push(expected);
        }
        self.entries.push_back(entry);
        member.cursor = self.end();
        true
    }

    fn drop_up_to(&mut self, position: u64) {
        while self.dropped < position && self.entries.pop_front().is_some() {
            self.dropped += 1;
        }
    }
}

#[derive(Debug)]
struct Room {
    members: Vec<Member>,
    /// How many messages each publisher has sent here, by its place among the members.
    sent: Vec<u32>,
    order: Order,
}

impl Room {
    fn new(size: usize) -> Self {
        let member = |_| Member { received: vec![Received::default(); size], cursor: 0, skipped: Vec::new() };
        Self { members: (0..size).map(member).collect(), sent: vec![0; size], order: Order::default() }
    }
}

/// The books of a run.
#[derive(Debug)]
pub(crate) struct Checker {
    plan: Arc<Plan>,
    rooms: Vec<Room>,
    outstanding: u64,
}

impl Checker {
    /// Nothing sent, nothing received.
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let rooms = (0..plan.rooms()).map(|room| Room::new(plan.members_of(room).len())).collect();
        Self { plan, rooms, outstanding: 0 }
    }

    /// Books a message before it is sent, and gives its number. `None` if the publisher is no member.
    pub(crate) fn send(&mut self, publisher: u32, room: u32) -> Option<u32> {
        let place = self.place(publisher, room)?;
        let room = &mut self.rooms[room as usize];
        let sequence = room.sent[place];
        room.sent[place] += 1;
        self.outstanding += room.members.len() as u64;
        Some(sequence)
    }

    /// Books what a connection has received.
    pub(crate) fn receive(&mut self, receiver: u32, publisher: u32, room: u32, sequence: u32, faults: &mut Faults) {
        let describe = || format!("connection {receiver} got message {sequence} of {publisher} in room {room}");
        let (Some(to), Some(from)) = (self.place(receiver, room), self.place(publisher, room)) else {
            faults.add(Kind::Corrupted, || format!("{}, where one of them is no member", describe()));
            return;
        };
        let room = &mut self.rooms[room as usize];
        if sequence >= room.sent[from] {
            faults.add(Kind::Corrupted, || format!("{}, which was never sent", describe()));
            return;
        }
        let member = &mut room.members[to];
        match member.received[from].take(sequence) {
            Arrival::InOrder => {}
            Arrival::Late => {
                faults.add(Kind::Misordered, || format!("{} after a newer one", describe()));
            }
            Arrival::Again => {
                faults.add(Kind::Duplicate, || format!("{} again", describe()));
                return;
            }
        }
        self.outstanding -= 1;
        let before = member.cursor;
        let entry = Entry { publisher: u32::try_from(from).unwrap_or(u32::MAX), sequence };
        if !room.order.follow(member, entry) {
            faults.add(Kind::Disagreement, || format!("{} later than other members did", describe()));
        }
        // Only the member that was last can have freed something.
        if before == room.order.dropped {
            let slowest = room.members.iter().map(|member| member.cursor).min().unwrap_or_default();
            room.order.drop_up_to(slowest);
        }
    }

    /// How many deliveries are still to come.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Books everything that has not come by now as lost.
    pub(crate) fn finish(&mut self, faults: &mut Faults) {
        for (number, room) in self.rooms.iter().enumerate() {
            let connections = self.plan.members_of(u32::try_from(number).unwrap_or(u32::MAX));
            for (member, receiver) in room.members.iter().zip(connections) {
                for ((received, sent), publisher) in member.received.iter().zip(&room.sent).zip(connections) {
                    let lost = received.missing.len() as u64 + u64::from(sent - received.next);
                    if lost > 0 {
                        faults.add_many(Kind::Lost, lost, || {
                            format!("connection {receiver} never got {lost} of {sent} messages of {publisher} in room {number}")
                        });
                    }
                }
            }
        }
        self.outstanding = 0;
    }

    fn place(&self, connection: u32, room: u32) -> Option<usize> {
        self.plan.members_of(room).binary_search(&connection).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    /// Three connections, all of them in both rooms.
    fn plan() -> Arc<Plan> {
        Plan::new(&Options { connections: 3, rooms: 2, rooms_per_connection: 2, ..Options::default() }).into()
    }

    /// Feeds deliveries (receiver, publisher, sequence) of room 1 and gives the faults at the end.
    fn check(sent: &[u32], deliveries: &[(u32, u32, u32)]) -> Faults {
        let mut checker = Checker::new(plan());
        let mut faults = Faults::default();
        for &publisher in sent {
            checker.send(publisher, 1).unwrap();
        }
        for &(receiver, publisher, sequence) in deliveries {
            checker.receive(receiver, publisher, 1, sequence, &mut faults);
        }
        checker.finish(&mut faults);
        faults
    }

    fn found(faults: &Faults) -> Vec<(Kind, u64)> {
        faults.counts().collect()
    }

    #[test]
    fn one_order_for_all_is_fine() {
        let order = [(0, 0), (1, 0), (0, 1), (2, 0)];
        let deliveries: Vec<_> =
            (0..3).flat_map(|receiver| order.map(|(publisher, sequence)| (receiver, publisher, sequence))).collect();
        assert_eq!(found(&check(&[0, 0, 1, 2], &deliveries)), []);
    }

    #[test]
    fn members_may_be_at_different_places() {
        let deliveries =
            [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (2, 0, 0), (2, 1, 0), (2, 0, 1)];
        assert_eq!(found(&check(&[0, 0, 1], &deliveries)), []);
    }

    #[test]
    fn a_loss_at_the_end_is_found() {
        assert_eq!(found(&check(&[0], &[(0, 0, 0), (1, 0, 0)])), [(Kind::Lost, 1)]);
    }

    #[test]
    fn a_loss_in_the_middle_is_found() {
        let deliveries = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1), (2, 0, 1)];
        assert_eq!(found(&check(&[0, 0], &deliveries)), [(Kind::Lost, 1)]);
    }

    #[test]
    fn a_message_that_nobody_got_is_three_losses() {
        assert_eq!(found(&check(&[2], &[])), [(Kind::Lost, 3)]);
    }

    #[test]
    fn a_duplicate_is_found() {
        let deliveries = [(0, 0, 0), (1, 0, 0), (1, 0, 0), (2, 0, 0), (0, 0, 0)];
        assert_eq!(found(&check(&[0], &deliveries)), [(Kind::Duplicate, 2)]);
    }

    #[test]
    fn a_misorder_that_all_members_see_alike_is_found() {
        let deliveries = [(0, 0, 1), (0, 0, 0), (1, 0, 1), (1, 0, 0), (2, 0, 1), (2, 0, 0)];
        assert_eq!(found(&check(&[0, 0], &deliveries)), [(Kind::Misordered, 3)]);
    }

    #[test]
    fn two_publishers_in_another_order_is_a_disagreement() {
        let deliveries = [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (2, 1, 0), (2, 0, 0)];
        assert_eq!(found(&check(&[0, 1], &deliveries)), [(Kind::Disagreement, 1)]);
    }

    #[test]
    fn the_disagreement_is_found_whoever_was_first() {
        let deliveries = [(0, 0, 0), (1, 1, 0), (0, 1, 0), (1, 0, 0), (2, 0, 0), (2, 1, 0)];
        assert_eq!(found(&check(&[0, 1], &deliveries)), [(Kind::Disagreement, 1)]);
    }

    #[test]
    fn a_loss_is_not_taken_for_a_disagreement() {
        let deliveries = [(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 0, 0), (1, 2, 0), (2, 0, 0), (2, 1, 0), (2, 2, 0)];
        assert_eq!(found(&check(&[0, 1, 2], &deliveries)), [(Kind::Lost, 1)]);
    }

    #[test]
    fn what_was_never_sent_is_found() {
        assert_eq!(found(&check(&[], &[(0, 1, 0)])), [(Kind::Corrupted, 1)]);
    }

    #[test]
    fn what_is_for_others_is_found() {
        let plan = Plan::new(&Options { connections: 2, rooms: 1_000, rooms_per_connection: 1, ..Options::default() });
        let room = plan.rooms_of(0)[0];
        let mut checker = Checker::new(plan.into());
        let mut faults = Faults::default();
        assert_eq!(checker.send(1, room), None);
        checker.send(0, room).unwrap();
        checker.receive(1, 0, room, 0, &mut faults);
        assert_eq!(found(&faults), [(Kind::Corrupted, 1)]);
        assert_eq!(checker.outstanding(), 1);
    }

    #[test]
    fn what_all_have_seen_is_not_kept() {
        let mut checker = Checker::new(plan());
        let mut faults = Faults::default();
        for round in 0..1_000 {
            checker.send(0, 0).unwrap();
            for receiver in 0..3 {
                checker.receive(receiver, 0, 0, round, &mut faults);
            }
            assert_eq!(checker.outstanding(), 0);
            assert!(checker.rooms[0].order.entries.is_empty());
        }
        assert_eq!(faults.total(), 0);
    }
}
