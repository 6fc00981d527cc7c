//! Who sent what, what became of it, and who got what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::clock::{At, now};
use crate::wire::{Outcome, Stamp, Target};

/// How a connection ended that its client closed.
pub const BY_CLIENT: &str = "by the client";

/// One published message.
#[derive(Clone, Debug)]
pub struct Sent {
    /// To whom.
    pub to: Target,
    /// When it left its publisher.
    pub at: At,
    /// What the publisher was told, and when. Nothing, where its server did not answer.
    pub answered: Option<(At, Outcome)>,
}

impl Sent {
    /// What is known of it.
    pub fn outcome(&self) -> Outcome {
        self.answered.map_or(Outcome::Unknown, |(_, outcome)| outcome)
    }

    /// When the backend must have had it, if it had it.
    pub fn until(&self) -> At {
        self.answered.map_or(At::MAX, |(at, _)| at)
    }
}

/// A time in a group: from the answer to a join to the request to leave.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    /// It is a member.
    pub from: At,
    /// It is none any more.
    pub to: Option<At>,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Which server.
    pub server: usize,
    /// Which user.
    pub user: String,
    /// What the server calls it.
    pub connection: String,
    /// Since when.
    pub opened: At,
    /// Until when, and how it ended.
    pub closed: Option<(At, String)>,
    /// Its groups.
    pub groups: BTreeMap<String, Vec<Stay>>,
    /// What it got, in this order.
    pub received: Vec<(Stamp, At)>,
}

/// A join that did not happen.
#[derive(Clone, Debug)]
pub struct RefusedJoin {
    /// Whose.
    pub client: usize,
    /// When it was asked for.
    pub from: At,
    /// When it was refused.
    pub to: At,
    /// What the server said.
    pub problem: String,
}

/// Everything that was noted.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// By publisher, then by number.
    pub sent: Vec<Vec<Sent>>,
    /// The server of each publisher.
    pub publishers: Vec<usize>,
    /// By number.
    pub clients: Vec<Client>,
    /// Joins that came to nothing.
    pub refused_joins: Vec<RefusedJoin>,
}

/// The books of a run; a copy is the same books.
#[derive(Clone, Debug, Default)]
pub struct Books(Arc<Mutex<Pages>>);

impl Books {
    /// What is noted so far.
    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }

    /// Another publisher.
    pub fn publisher(&self, server: usize) -> u32 {
        let mut pages = self.pages();
        pages.publishers.push(server);
        pages.sent.push(Vec::new());
        u32::try_from(pages.sent.len() - 1).unwrap()
    }

    /// Notes a message before it is sent.
    pub fn send(&self, publisher: u32, to: &Target) -> Stamp {
        let mut pages = self.pages();
        let of = &mut pages.sent[publisher as usize];
        of.push(Sent { to: to.clone(), at: now(), answered: None });
        Stamp { publisher, number: u32::try_from(of.len() - 1).unwrap() }
    }

    /// Notes what became of it.
    pub fn answer(&self, stamp: Stamp, outcome: Outcome) {
        self.pages().sent[stamp.publisher as usize][stamp.number as usize].answered = Some((now(), outcome));
    }

    /// Another client.
    pub fn open(&self, server: usize, user: &str, connection: &str) -> usize {
        let mut pages = self.pages();
        pages.clients.push(Client {
            server,
            user: user.to_owned(),
            connection: connection.to_owned(),
            opened: now(),
            closed: None,
            groups: BTreeMap::new(),
            received: Vec::new(),
        });
        pages.clients.len() - 1
    }

    /// A client's connection has ended.
    pub fn close(&self, client: usize, how: &str) {
        self.pages().clients[client].closed.get_or_insert_with(|| (now(), how.to_owned()));
    }

    /// A client is a member.
    pub fn join(&self, client: usize, group: &str) {
        let stay = Stay { from: now(), to: None };
        self.pages().clients[client].groups.entry(group.to_owned()).or_default().push(stay);
    }

    /// A join came to nothing.
    pub fn refuse_join(&self, client: usize, from: At, problem: &str) {
        let refused = RefusedJoin { client, from, to: now(), problem: problem.to_owned() };
        self.pages().refused_joins.push(refused);
    }

    /// A client is about to leave.
    pub fn leave(&self, client: usize, group: &str) {
        if let Some(stay) = self.pages().clients[client].groups.get_mut(group).and_then(|stays| stays.last_mut()) {
            stay.to.get_or_insert(now());
        }
    }

    /// A client got a message.
    pub fn receive(&self, client: usize, stamp: Stamp) {
        self.pages().clients[client].received.push((stamp, now()));
    }

    /// How many messages were got by anybody.
    pub fn received(&self) -> usize {
        self.pages().clients.iter().map(|client| client.received.len()).sum()
    }
}
