//! L1: never more connections than there may be.

use std::collections::HashMap;

use super::{Circumstances, NOTICED_WITHIN, Violations};
use crate::books::{Client, Pages};
use crate::clock::At;

pub(super) fn check(pages: &Pages, circumstances: &Circumstances, violations: &mut Violations) {
    let Some(limits) = circumstances.limits else { return };
    let forgotten = circumstances.lost.zip(circumstances.back).filter(|_| circumstances.forgets);
    let is_excused = |at| forgotten.is_some_and(|(lost, back)| (lost..back + NOTICED_WITHIN).contains(&at));
    let mut by_user: HashMap<&str, Vec<&Client>> = HashMap::new();
    for client in &pages.clients {
        by_user.entry(&client.user).or_default().push(client);
    }
    for (user, clients) in by_user {
        exceeds(clients.iter().copied(), limits.per_user, &format!("user {user}"), is_excused, violations);
    }
    exceeds(pages.clients.iter(), limits.total, "everybody", is_excused, violations);
}

/// A client is open from its welcome to the moment before it says that it goes: within the time in which it has a place.
fn exceeds<'a>(
    clients: impl Iterator<Item = &'a Client>,
    limit: usize,
    who: &str,
    is_excused: impl Fn(At) -> bool,
    violations: &mut Violations,
) {
    let mut changes: Vec<(At, i64)> = Vec::new();
    for client in clients {
        changes.push((client.opened, 1));
        changes.extend(client.closed.iter().map(|(at, _)| (*at, -1)));
    }
    // Who goes in the same millisecond goes first.
    changes.sort_unstable();
    let mut open = 0;
    for (at, change) in changes {
        open += change;
        if change > 0 && usize::try_from(open).is_ok_and(|open| open > limit) && !is_excused(at) {
            violations.add("L1 no more than may be", || format!("{open} of {who} at {at}; {limit} may be"));
        }
    }
}
