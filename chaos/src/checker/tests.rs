//! The checker finds what it is there for.

use std::collections::BTreeMap;

use super::*;
use crate::books::{BY_CLIENT, Client, Pages, RefusedJoin, Sent, Stay};
use crate::told::Happened;
use crate::wire::{Outcome, Stamp, Target};

/// Two members of one group at two servers, from the beginning.
fn pages() -> Pages {
    let client = |server: usize| Client {
        server,
        user: format!("u{server}"),
        connection: format!("{server}-1"),
        opened: 0,
        closed: None,
        groups: BTreeMap::from([("g".to_owned(), vec![Stay { from: 0, to: None }])]),
        received: Vec::new(),
    };
    Pages {
        sent: vec![Vec::new(), Vec::new()],
        publishers: vec![0, 1],
        clients: vec![client(0), client(1)],
        refused_joins: Vec::new(),
    }
}

fn stamp(publisher: u32, number: u32) -> Stamp {
    Stamp { publisher, number }
}

/// A message of a publisher to the group, which members got.
fn sent(pages: &mut Pages, publisher: u32, at: At, outcome: Outcome, got: &[usize]) -> Stamp {
    let of = &mut pages.sent[publisher as usize];
    of.push(Sent { to: Target::Group("g".to_owned()), at, answered: Some((at + 2, outcome)) });
    let stamp = stamp(publisher, u32::try_from(of.len() - 1).unwrap());
    for client in got {
        pages.clients[*client].received.push((stamp, at + 3));
    }
    stamp
}

fn promises(pages: &Pages, circumstances: &Circumstances) -> Vec<&'static str> {
    check(pages, circumstances).violations.0.into_keys().collect()
}

fn interrupted(since: At, until: Option<At>) -> Vec<Reported> {
    let one = |happened, until| Reported { happened, since, until, id: 1, ..Reported::missed() };
    let end = until.map(|until| one(Happened::Restored, Some(until)));
    [one(Happened::Interrupted, None)].into_iter().chain(end).collect()
}

#[test]
fn nothing_is_wrong_where_everything_came() {
    let mut pages = pages();
    for at in 1..10 {
        sent(&mut pages, 0, at, Outcome::Ok, &[0, 1]);
        sent(&mut pages, 1, at, Outcome::Unknown, &[1]);
    }
    assert!(promises(&pages, &Circumstances::default()).is_empty());
}

#[test]
fn a_message_that_came_twice_is_found() {
    let mut pages = pages();
    sent(&mut pages, 0, 1, Outcome::Ok, &[0, 1, 1]);
    assert_eq!(promises(&pages, &Circumstances::default()), ["R1 at most once"]);
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    let mut pages = pages();
    pages.clients[0].received.push((stamp(1, 7), 1));
    assert_eq!(promises(&pages, &Circumstances::default()), ["nothing else"]);
}

#[test]
fn two_orders_are_found_also_where_no_two_members_show_it() {
    let mut pages = pages();
    sent(&mut pages, 0, 1, Outcome::Unknown, &[0, 1]);
    sent(&mut pages, 1, 1, Outcome::Unknown, &[0, 1]);
    pages.clients[1].received.swap(0, 1);
    assert_eq!(promises(&pages, &Circumstances::default()), ["R2 one order"]);

    let mut pages = self::pages();
    pages.clients.push(pages.clients[0].clone());
    pages.sent.push(Vec::new());
    let [a, b, c] = [0, 1, 2].map(|publisher| sent(&mut pages, publisher, 1, Outcome::Unknown, &[]));
    for (client, order) in [[a, b], [b, c], [c, a]].into_iter().enumerate() {
        pages.clients[client].received.extend(order.map(|stamp| (stamp, 2)));
    }
    assert_eq!(promises(&pages, &Circumstances::default()), ["R2 one order"]);
}

#[test]
fn a_publisher_that_overtakes_itself_is_found() {
    let mut pages = pages();
    sent(&mut pages, 0, 1, Outcome::Ok, &[0, 1]);
    sent(&mut pages, 0, 2, Outcome::Ok, &[0, 1]);
    pages.clients.iter_mut().for_each(|client| client.received.swap(0, 1));
    assert_eq!(promises(&pages, &Circumstances::default()), ["R2 a publisher's order"]);
    pages.sent[0][0].answered = None;
    assert_eq!(promises(&pages, &Circumstances::default()), ["R2 a publisher's order"]);
    assert!(promises(&pages, &Circumstances { split: true, ..Circumstances::default() }).is_empty());
}

#[test]
fn a_loss_is_silent_unless_it_was_reported() {
    let mut pages = pages();
    sent(&mut pages, 0, 100, Outcome::Ok, &[0]);
    let at = |since, until| {
        let reported = BTreeMap::from([(1, interrupted(since, Some(until)))]);
        let findings = check(&pages, &Circumstances { reported, ..Circumstances::default() });
        (findings.silent, findings.interrupted)
    };
    assert_eq!(at(90, 110), (0, 1));
    assert_eq!(at(102, 110), (0, 1), "it may have been taken as late as that");
    assert_eq!(at(103, 110), (1, 0));
    assert_eq!(at(50, 99), (1, 0));
    let of_another = BTreeMap::from([(0, interrupted(90, Some(110)))]);
    let circumstances = Circumstances { reported: of_another, ..Circumstances::default() };
    assert_eq!(promises(&pages, &circumstances), ["R3 nothing is lost in silence"]);
}

#[test]
fn what_was_sent_to_the_old_of_two_masters_is_reported_by_its_server() {
    let mut pages = pages();
    sent(&mut pages, 0, 100, Outcome::Ok, &[0]);
    let reported = BTreeMap::from([(0, interrupted(90, Some(110)))]);
    let with = |split| check(&pages, &Circumstances { reported: reported.clone(), split, ..Default::default() }).silent;
    assert_eq!((with(false), with(true)), (1, 0));
}

#[test]
fn who_was_not_there_missed_nothing() {
    let mut pages = pages();
    sent(&mut pages, 0, 10_000, Outcome::Ok, &[0]);
    let with = |change: fn(&mut Client)| {
        let mut changed = pages.clone();
        change(&mut changed.clients[1]);
        check(&changed, &Circumstances::default()).silent
    };
    assert_eq!(with(|_| ()), 1);
    assert_eq!(with(|client| client.opened = 10_000), 0);
    assert_eq!(with(|client| client.closed = Some((9_999, BY_CLIENT.to_owned()))), 0);
    assert_eq!(with(|client| client.closed = Some((60_000, BY_CLIENT.to_owned()))), 1);
    assert_eq!(with(|client| client.groups.clear()), 0);
    assert_eq!(with(|client| client.groups.get_mut("g").unwrap()[0].from = 10_000), 0);
    assert_eq!(with(|client| client.groups.get_mut("g").unwrap()[0].to = Some(10_001)), 0);
    assert_eq!(with(|client| client.groups.get_mut("g").unwrap()[0].to = Some(60_000)), 1);
}

#[test]
fn who_goes_when_a_server_wakes_may_go_before_what_it_has_missed() {
    let silent = |of, at, changes: &dyn Fn(&mut Client)| {
        let mut pages = pages();
        sent(&mut pages, 0, at, Outcome::Ok, &[0]);
        changes(&mut pages.clients[1]);
        let circumstances =
            Circumstances { paused: vec![of], lost: Some(10_000), back: Some(30_000), ..Circumstances::default() };
        check(&pages, &circumstances).silent
    };
    let leaves = |to| move |client: &mut Client| client.groups.get_mut("g").unwrap()[0].to = Some(to);
    assert_eq!(silent(1, 12_000, &leaves(13_500)), 0);
    assert_eq!(silent(1, 12_000, &leaves(30_100)), 0);
    assert_eq!(silent(1, 12_000, &leaves(31_000)), 1, "it has had time since then");
    assert_eq!(silent(1, 9_000, &leaves(13_500)), 1, "it had time before");
    assert_eq!(silent(1, 31_000, &leaves(33_000)), 1, "it does not stand still any more");
    assert_eq!(silent(0, 12_000, &leaves(13_500)), 1, "another one stood still");
    let is_closed = |at| move |client: &mut Client| client.closed = Some((at, "its place is lost".to_owned()));
    assert_eq!(silent(1, 12_000, &is_closed(30_500)), 0);
    assert_eq!(silent(1, 12_000, &is_closed(32_000)), 1, "it has had time since then");
    assert_eq!(silent(1, 8_000, &is_closed(30_500)), 1, "it had time before");
    assert_eq!(silent(0, 12_000, &is_closed(30_500)), 1, "another one stood still");
}

#[test]
fn an_interruption_begins_once_and_ends_once() {
    let reported = |events: Vec<Reported>| {
        let reported = BTreeMap::from([(0, events)]);
        promises(&pages(), &Circumstances { reported, ..Circumstances::default() })
    };
    let (whole, open) = (interrupted(1, Some(2)), interrupted(1, None));
    assert!(reported(whole.clone()).is_empty());
    assert_eq!(reported(open.clone()), ["R4 reported once"]);
    assert_eq!(reported([&open[..], &whole[..]].concat()), ["R4 reported once"]);
    assert_eq!(reported([&whole[..], &whole[1..]].concat()), ["R4 reported once"]);
    assert_eq!(reported(whole[1..].to_vec()), ["R4 reported once"]);
    assert_eq!(reported(vec![Reported::missed()]), ["R4 reported once"]);
}

#[test]
fn what_was_not_sent_reaches_nobody_and_is_said_soon() {
    let mut pages = pages();
    sent(&mut pages, 0, 1, Outcome::NotSent, &[]);
    assert!(promises(&pages, &Circumstances::default()).is_empty());
    sent(&mut pages, 0, 2, Outcome::NotSent, &[1]);
    assert_eq!(promises(&pages, &Circumstances::default()), ["R5 not sent is not sent"]);
    let mut pages = self::pages();
    sent(&mut pages, 0, 1, Outcome::NotSent, &[]);
    pages.sent[0][0].answered = Some((7_000, Outcome::NotSent));
    let refused = RefusedJoin { client: 0, from: 1, to: 7_000, problem: String::new() };
    pages.refused_joins.push(refused);
    let circumstances = Circumstances { lost: Some(1), ..Circumstances::default() };
    assert_eq!(promises(&pages, &circumstances), ["R5 answered within 5 s"]);
    assert_eq!(promises(&pages, &Circumstances::default()), ["R5 answered within 5 s", "joins are taken"]);
}

#[test]
fn a_connection_that_ends_by_itself_is_found() {
    let mut pages = pages();
    pages.clients[1].closed = Some((5, "reset".to_owned()));
    assert_eq!(promises(&pages, &Circumstances::default()), ["connections live on"]);
    let gone = BTreeMap::from([(1, 4)]);
    assert!(promises(&pages, &Circumstances { gone, ..Circumstances::default() }).is_empty());
}

#[test]
fn one_connection_too_many_is_found() {
    let mut pages = pages();
    let at_most = |per_user, total| Circumstances { limits: Some(Limits { per_user, total }), ..Default::default() };
    assert!(promises(&pages, &at_most(1, 2)).is_empty());
    assert_eq!(promises(&pages, &at_most(1, 1)), ["L1 no more than may be"]);
    pages.clients[1].user = "u0".to_owned();
    assert_eq!(promises(&pages, &at_most(1, 2)), ["L1 no more than may be"]);
    // One goes in the moment in which the other comes.
    pages.clients[0].closed = Some((9, BY_CLIENT.to_owned()));
    pages.clients[1].opened = 9;
    assert!(promises(&pages, &at_most(1, 1)).is_empty());
}

#[test]
fn forgotten_places_may_be_given_twice_for_moments() {
    let mut pages = pages();
    pages.clients[1].opened = 20;
    pages.clients[0].closed = Some((21, "too many connections (1013)".to_owned()));
    let limits = Some(Limits { per_user: 1, total: 1 });
    let with =
        |forgets, back| Circumstances { limits, forgets, lost: Some(10), back: Some(back), ..Default::default() };
    assert!(promises(&pages, &with(true, 15)).is_empty());
    assert_eq!(promises(&pages, &with(false, 15)), ["L1 no more than may be", "connections live on"]);
    pages.clients[1].opened = 15 + NOTICED_WITHIN;
    pages.clients[0].closed = None;
    assert_eq!(promises(&pages, &with(true, 15)), ["L1 no more than may be"]);
}

#[test]
fn who_is_not_concerned_reports_nothing() {
    let reported = BTreeMap::from([(0, interrupted(1, Some(2)))]);
    let circumstances = Circumstances { reported, undisturbed: vec![0], ..Circumstances::default() };
    assert_eq!(promises(&pages(), &circumstances), ["who is not concerned is undisturbed"]);
}
