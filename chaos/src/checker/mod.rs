//! Compares what was sent, what came and what was reported with what is promised.

mod connections;
mod failures;
mod interruptions;
mod losses;
mod order;
mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::books::Pages;
use crate::clock::At;
use crate::told::Reported;

pub use self::interruptions::{Window, windows};

/// How long a publish may take, also while the backend is away.
pub const ANSWERED_WITHIN: At = 5_000;

/// How long after the loss `/readyz` turns red, after the return green, and everything is delivered again.
pub const NOTICED_WITHIN: At = 5_000;

/// How many violations of one kind are told.
const TOLD: usize = 5;

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one user.
    pub per_user: usize,
    /// Of everybody.
    pub total: usize,
}

/// What happened to the servers of a run.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// What each server reported; nothing of those that are gone.
    pub reported: BTreeMap<usize, Vec<Reported>>,
    /// Servers that were ended, and since when.
    pub gone: BTreeMap<usize, At>,
    /// Servers that stood still: nothing is promised of how fast those answer.
    pub paused: Vec<usize>,
    /// There were two masters for a while. What the old one took reaches nobody at the new one, who cannot know: the
    /// interruption is that of the server that sent it.
    pub split: bool,
    /// Servers that must not have noticed anything.
    pub undisturbed: Vec<usize>,
    /// How much longer than usual messages are on their way.
    pub slower: At,
    /// How many connections there may be.
    pub limits: Option<Limits>,
    /// Redis has forgotten who has which places: for moments there may be too many, which are closed.
    pub forgets: bool,
    /// When the fault began; nothing where there was no fault.
    pub lost: Option<At>,
    /// When the fault was healed; nothing where there was no fault.
    pub back: Option<At>,
}

impl Circumstances {
    /// From when until when a server stood still.
    fn standstill(&self, server: usize) -> Option<(At, At)> {
        let from = self.lost.filter(|_| self.paused.contains(&server))?;
        Some((from, self.back.unwrap_or(At::MAX)))
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Published messages.
    pub sent: usize,
    /// Messages that somebody got.
    pub delivered: usize,
    /// Deliveries that are missing, in times that were reported as interrupted or on connections that ended.
    pub interrupted: usize,
    /// Deliveries that are missing, and nobody was told.
    pub silent: usize,
    /// The last message that was sent after the fault and did not reach everybody.
    pub last_missed: Option<At>,
    /// What breaks a promise.
    pub violations: Violations,
}

/// Words for what breaks a promise, some of each kind.
#[derive(Clone, Debug, Default)]
pub struct Violations(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Violations {
    /// Notes one.
    pub fn add(&mut self, promise: &'static str, what: impl FnOnce() -> String) {
        let (count, told) = self.0.entry(promise).or_default();
        *count += 1;
        if told.len() < TOLD {
            told.push(what());
        }
    }

    /// Notes those of somebody else.
    pub fn merge(&mut self, other: Self) {
        for (promise, (count, told)) in other.0 {
            let own = self.0.entry(promise).or_default();
            own.0 += count;
            own.1.extend(told);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, a line each.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().flat_map(|(promise, (count, told))| {
            let more = count - told.len();
            let more = (more > 0).then(|| format!("{promise}: … and {more} more"));
            told.iter().map(move |what| format!("{promise}: {what}")).chain(more)
        })
    }
}

/// Judges a run.
pub fn check(pages: &Pages, circumstances: &Circumstances) -> Findings {
    let mut findings = Findings {
        sent: pages.sent.iter().map(Vec::len).sum(),
        delivered: pages.clients.iter().map(|client| client.received.len()).sum(),
        ..Findings::default()
    };
    order::check(pages, circumstances, &mut findings.violations);
    connections::check(pages, circumstances, &mut findings.violations);
    failures::check(pages, circumstances, &mut findings);
    for (server, reported) in &circumstances.reported {
        interruptions::check(*server, reported, &mut findings.violations);
        if circumstances.undisturbed.contains(server) {
            for one in reported {
                findings.violations.add("who is not concerned is undisturbed", || format!("server {server}: {one:?}"));
            }
        }
    }
    places::check(pages, circumstances, &mut findings.violations);
    losses::check(pages, circumstances, &mut findings);
    findings
}
