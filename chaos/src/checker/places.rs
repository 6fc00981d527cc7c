//! L1: never more connections than there may be.

use std::collections::HashMap;

use super::{Limits, Violations};
use crate::books::{Client, Pages};
use crate::clock::At;

pub(super) fn check(pages: &Pages, limits: Limits, violations: &mut Violations) {
    let mut by_user: HashMap<&str, Vec<&Client>> = HashMap::new();
    for client in &pages.clients {
        by_user.entry(&client.user).or_default().push(client);
    }
    for (user, clients) in by_user {
        exceeds(clients.iter().copied(), limits.per_user, &format!("user {user}"), violations);
    }
    exceeds(pages.clients.iter(), limits.total, "everybody", violations);
}

/// A client is open from its welcome to the moment before it says that it goes: within the time in which it has a place.
fn exceeds<'a>(clients: impl Iterator<Item = &'a Client>, limit: usize, who: &str, violations: &mut Violations) {
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
        if change > 0 && usize::try_from(open).is_ok_and(|open| open > limit) {
            violations.add("L1 no more than may be", || format!("{open} of {who} at {at}; {limit} may be"));
        }
    }
}
