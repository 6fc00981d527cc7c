//! R3: what is not delivered lies in an interruption that was reported.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Circumstances, Findings, Window, windows};
use crate::books::{BY_CLIENT, Client, Pages, Sent, Stay};
use crate::clock::At;
use crate::wire::{Outcome, Stamp, Target};

/// How late what was taken is handed to a member that is about to leave.
const READ_WITHIN: At = 600;

/// What a connection that ends may lose of what was on its way.
const CLOSED_WITHIN: At = 1_000;

pub(super) fn check(pages: &Pages, circumstances: &Circumstances, findings: &mut Findings) {
    let windows: BTreeMap<usize, Vec<Window>> =
        circumstances.reported.iter().map(|(server, reported)| (*server, windows(reported))).collect();
    let received: Vec<HashSet<Stamp>> =
        pages.clients.iter().map(|client| client.received.iter().map(|(stamp, _)| *stamp).collect()).collect();
    let audience = Audience::new(pages);
    for (publisher, of) in pages.sent.iter().enumerate() {
        for (number, sent) in of.iter().enumerate().filter(|(_, sent)| sent.outcome() == Outcome::Ok) {
            let stamp = Stamp { publisher: u32::try_from(publisher).unwrap(), number: u32::try_from(number).unwrap() };
            for client in audience.of(&sent.to) {
                let log = &pages.clients[client];
                if received[client].contains(&stamp) || !should_have_come(log, sent, circumstances) {
                    continue;
                }
                if circumstances.back.is_some_and(|back| sent.at >= back) {
                    findings.last_missed = findings.last_missed.max(Some(sent.at));
                }
                let of = |server: &usize| windows.get(server).map(Vec::as_slice).unwrap_or_default();
                let of_server = of(&log.server);
                let by_sender = circumstances.split && is_excused(of(&pages.publishers[publisher]), sent);
                if is_excused(of_server, sent) || by_sender || was_closed(log, sent, circumstances) {
                    findings.interrupted += 1;
                    continue;
                }
                findings.silent += 1;
                findings.violations.add("R3 nothing is lost in silence", || {
                    let Sent { to, at, .. } = sent;
                    let (server, stays) = (log.server, stays_at(log, sent));
                    let until = sent.until();
                    format!(
                        "client {client} of server {server} never got {stamp:?} to {to:?}, sent at {at}, taken at {until}; \
                         member {stays:?}, interrupted {of_server:?}"
                    )
                });
            }
        }
    }
}

/// Who is meant by a target.
struct Audience<'a> {
    by_target: HashMap<Target, Vec<usize>>,
    clients: &'a [Client],
}

impl<'a> Audience<'a> {
    fn new(pages: &'a Pages) -> Self {
        let mut by_target: HashMap<Target, Vec<usize>> = HashMap::new();
        for (number, client) in pages.clients.iter().enumerate() {
            let groups = client.groups.keys().cloned().map(Target::Group);
            let own = [Target::User(client.user.clone()), Target::Connection(client.connection.clone())];
            for target in groups.chain(own) {
                by_target.entry(target).or_default().push(number);
            }
        }
        Self { by_target, clients: &pages.clients }
    }

    fn of(&self, target: &Target) -> Vec<usize> {
        match target {
            Target::Everybody => (0..self.clients.len()).collect(),
            target => self.by_target.get(target).cloned().unwrap_or_default(),
        }
    }
}

/// Whether it was there, and a member, from before the message was sent until it should have come. What happened in one
/// millisecond happened in any order.
fn should_have_come(client: &Client, sent: &Sent, circumstances: &Circumstances) -> bool {
    let by = handed_on(sent, client.server, circumstances).saturating_add(READ_WITHIN + circumstances.slower);
    let was_member = match &sent.to {
        Target::Group(group) => client
            .groups
            .get(group)
            .is_some_and(|stays| stays.iter().any(|stay| stay.from < sent.at && stay.to.is_none_or(|to| to >= by))),
        _ => true,
    };
    // Who had already gone could get nothing, and who was about to go need not.
    let was_there = client.closed.as_ref().is_none_or(|(at, how)| *at >= if how == BY_CLIENT { by } else { sent.at });
    was_member && was_there && client.opened < sent.at
}

/// When a server could hand on a message to its members. One that stands still hands on nothing, and when it goes on it
/// may read a request to leave, or that it has lost its places, before what it has missed.
fn handed_on(sent: &Sent, server: usize, circumstances: &Circumstances) -> At {
    let taken = sent.until();
    match circumstances.standstill(server) {
        Some((from, until)) if taken.saturating_add(READ_WITHIN + circumstances.slower) >= from => taken.max(until),
        _ => taken,
    }
}

/// When it was a member of the group that was meant, as far as that matters.
fn stays_at(client: &Client, sent: &Sent) -> Vec<Stay> {
    let Target::Group(group) = &sent.to else { return Vec::new() };
    let stays = client.groups.get(group).into_iter().flatten();
    stays.filter(|stay| stay.from <= sent.at && stay.to.is_none_or(|to| to >= sent.at)).copied().collect()
}

fn is_excused(windows: &[Window], sent: &Sent) -> bool {
    windows.iter().any(|(since, until)| sent.at <= *until && sent.until() >= *since)
}

fn was_closed(client: &Client, sent: &Sent, circumstances: &Circumstances) -> bool {
    let by = handed_on(sent, client.server, circumstances).saturating_add(CLOSED_WITHIN);
    client.closed.as_ref().is_some_and(|(at, _)| *at <= by)
}
