//! R1 and R2: nothing twice, and one order for all.

use std::collections::{HashMap, HashSet};

use super::{Circumstances, Violations};
use crate::books::Pages;
use crate::wire::{Outcome, Stamp, Target};

/// Which messages came to whom in which order, of one topic.
type Seen<'a> = HashMap<&'a Target, Vec<(usize, Vec<Stamp>)>>;

pub(super) fn check(pages: &Pages, circumstances: &Circumstances, violations: &mut Violations) {
    // What an old master has in its sockets it takes when it wakes, and nobody can take it back.
    let may_be_late = |stamp: &Stamp| {
        circumstances.split && pages.sent[stamp.publisher as usize][stamp.number as usize].outcome() == Outcome::Unknown
    };
    let mut seen: Seen<'_> = HashMap::new();
    for (number, client) in pages.clients.iter().enumerate() {
        let mut known = HashSet::new();
        let mut topics: HashMap<&Target, Vec<Stamp>> = HashMap::new();
        for (stamp, at) in &client.received {
            let sent = pages.sent.get(stamp.publisher as usize).and_then(|sent| sent.get(stamp.number as usize));
            let Some(sent) = sent else {
                violations.add("nothing else", || format!("client {number} got {stamp:?}, which nobody sent"));
                continue;
            };
            if known.insert(*stamp) {
                topics.entry(&sent.to).or_default().push(*stamp);
            } else {
                violations.add("R1 at most once", || format!("client {number} got {stamp:?} again at {at}"));
            }
        }
        for (topic, stamps) in topics {
            in_its_publishers_order(number, topic, stamps.iter().filter(|stamp| !may_be_late(stamp)), violations);
            seen.entry(topic).or_default().push((number, stamps));
        }
    }
    for (topic, orders) in seen {
        if !have_one_order(&orders) {
            violations.add("R2 one order", || disagreement(topic, &orders));
        }
    }
}

fn in_its_publishers_order<'a>(
    client: usize,
    topic: &Target,
    stamps: impl Iterator<Item = &'a Stamp>,
    violations: &mut Violations,
) {
    let mut last: HashMap<u32, u32> = HashMap::new();
    for stamp in stamps {
        if let Some(before) = last.insert(stamp.publisher, stamp.number).filter(|before| *before > stamp.number) {
            violations.add("R2 a publisher's order", || {
                format!("client {client} got {stamp:?} of {topic:?} after number {before}")
            });
        }
    }
}

/// Whether there is an order of all messages that everybody's is a part of: what directly follows what, as a graph, has
/// no circle.
fn have_one_order(orders: &[(usize, Vec<Stamp>)]) -> bool {
    let mut after: HashMap<Stamp, HashSet<Stamp>> = HashMap::new();
    let mut before: HashMap<Stamp, usize> = HashMap::new();
    for (_, stamps) in orders {
        for stamp in stamps {
            before.entry(*stamp).or_default();
        }
        for pair in stamps.windows(2) {
            if after.entry(pair[0]).or_default().insert(pair[1]) {
                *before.entry(pair[1]).or_default() += 1;
            }
        }
    }
    let all = before.len();
    let mut free: Vec<Stamp> = before.iter().filter(|(_, count)| **count == 0).map(|(stamp, _)| *stamp).collect();
    let mut ordered = 0;
    while let Some(stamp) = free.pop() {
        ordered += 1;
        for next in after.remove(&stamp).into_iter().flatten() {
            let count = before.get_mut(&next).unwrap();
            *count -= 1;
            if *count == 0 {
                free.push(next);
            }
        }
    }
    ordered == all
}

/// Two members and two messages that show it, if two are enough to.
fn disagreement(topic: &Target, orders: &[(usize, Vec<Stamp>)]) -> String {
    for (index, (first, of_first)) in orders.iter().enumerate() {
        let places: HashMap<_, _> = of_first.iter().enumerate().map(|(place, stamp)| (*stamp, place)).collect();
        for (second, of_second) in &orders[index + 1..] {
            let common: Vec<_> = of_second.iter().filter(|stamp| places.contains_key(stamp)).collect();
            if let Some(pair) = common.windows(2).find(|pair| places[pair[0]] > places[pair[1]]) {
                return format!(
                    "of {topic:?} client {first} got {:?} before {:?}, client {second} after it",
                    pair[1], pair[0]
                );
            }
        }
    }
    format!("the members of {topic:?} have no common order, though each two have")
}
