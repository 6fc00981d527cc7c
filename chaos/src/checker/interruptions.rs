//! R4: every interruption is reported once, and its end once.

use std::collections::HashMap;

use super::Violations;
use crate::clock::At;
use crate::told::{Happened, Reported};

/// A time in which a server may have missed something, by its own word.
pub type Window = (At, At);

/// The windows of a server.
pub fn windows(reported: &[Reported]) -> Vec<Window> {
    let ended = |id| reported.iter().find(|one| one.happened == Happened::Restored && one.id == id);
    let begun = reported.iter().filter(|one| one.happened == Happened::Interrupted);
    begun.map(|one| (one.since, ended(one.id).and_then(|end| end.until).unwrap_or(At::MAX))).collect()
}

pub(super) fn check(server: usize, reported: &[Reported], violations: &mut Violations) {
    const PROMISE: &str = "R4 reported once";
    let mut open: HashMap<u64, bool> = HashMap::new();
    for one in reported {
        let Reported { happened, id, since, until, .. } = one;
        let before = open.get(id).copied();
        match happened {
            Happened::Interrupted if before.is_none() && until.is_none() => drop(open.insert(*id, true)),
            Happened::Restored if before == Some(true) && until.is_some_and(|until| until >= *since) => {
                open.insert(*id, false);
            }
            Happened::Missed => violations.add(PROMISE, || format!("server {server} missed events of its own")),
            _ => violations.add(PROMISE, || format!("server {server}, out of turn: {one:?}")),
        }
    }
    for (id, is_open) in open {
        if is_open {
            violations.add(PROMISE, || format!("server {server}: interruption {id} has no end"));
        }
    }
}
