//! What clients did and were told, to be compared with what the server counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use channels_chaos::told::Here;

/// The counts of all clients; a copy is the same counts.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

/// One moment of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handshakes that were answered with 101.
    pub opened: u64,
    /// Handshakes that were answered with something else, by status.
    pub refused: BTreeMap<u16, u64>,
    /// How often each actor has done its part.
    pub parts: BTreeMap<&'static str, u64>,
    /// Connections that ended with a close frame of the server, by code; 1000 is the answer to the client's own.
    pub closed: BTreeMap<u16, u64>,
    /// Connections that the client cut off, or let fall without a word.
    pub cut: u64,
    /// Connections that ended, and the client does not know why: there was no close frame.
    pub unknown: u64,
    /// Connections that ended with 1013, as whoever floods is to be.
    pub flooded: u64,
    /// `error` frames.
    pub errors: u64,
    /// What should not have happened.
    pub surprises: Vec<String>,
}

/// So many surprises are told; more say no more.
const TOLD: usize = 20;

impl Tally {
    /// The counts so far.
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection has ended, with this close code if there was any.
    pub fn ended(&self, code: Option<u16>) {
        let mut counts = self.counts();
        match code {
            Some(code) => *counts.closed.entry(code).or_default() += 1,
            None => counts.unknown += 1,
        }
    }

    /// A message came.
    pub fn heard(&self, text: &str) {
        if text.starts_with(r#"{"type":"error""#) {
            self.counts().errors += 1;
        }
    }

    /// Something that should not have happened.
    pub fn surprise(&self, what: String) {
        let mut counts = self.counts();
        if counts.surprises.len() < TOLD {
            counts.surprises.push(what);
        }
    }
}

impl Counts {
    fn closed(&self, codes: &[u16]) -> u64 {
        codes.iter().filter_map(|code| self.closed.get(code)).sum()
    }

    /// What the server counted otherwise, in words. A client that was not told how its connection ended may be counted
    /// as any of them.
    pub fn differences(&self, here: &Here) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut is = |what: &str, counted: u64, known: u64, unknown: u64| {
            if !(known..=known + unknown).contains(&counted) {
                wrong
                    .push(format!("{what}: the server counted {counted}, clients know of {known} and maybe {unknown}"));
            }
        };
        is("connections", here.connections_total, self.opened, 0);
        is("refused requests", here.refused, self.refused.values().sum(), 0);
        is("4408", here.timed_out, self.closed(&[4408]), self.unknown);
        is("4413", here.too_slow, self.closed(&[4413]), self.unknown);
        is("1002, 1007 and 1009", here.protocol_errors, self.closed(&[1002, 1007, 1009]), self.unknown);
        is("lost connections", here.lost, self.cut, self.unknown);
        let ended = here.timed_out + here.too_slow + here.protocol_errors + here.lost;
        let others = here.connections_total.saturating_sub(ended);
        let known = self.closed.values().sum::<u64>() - self.closed(&[4408, 4413, 1002, 1007, 1009]);
        is("clean ends", others, known, self.unknown);
        // Who is cut off, or reads no more, hears nothing of its errors.
        let errors = here.errors.values().sum::<u64>();
        if errors < self.errors {
            wrong.push(format!("errors: the server counted {errors}, clients heard of {}", self.errors));
        }
        for category in ["system", "backend"] {
            let faults = here.errors.get(category).copied().unwrap_or(0);
            if faults > 0 {
                wrong.push(format!("errors: {faults} of category {category}"));
            }
        }
        if self.closed(&[1011]) > 0 {
            wrong.push("closed with 1011".to_owned());
        }
        if self.closed(&[1013]) != self.flooded {
            wrong.push(format!("{} were closed with 1013, {} had flooded", self.closed(&[1013]), self.flooded));
        }
        wrong.extend(self.surprises.iter().cloned());
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Here {
        Here { connections_total: 10, refused: 2, timed_out: 1, lost: 3, protocol_errors: 2, ..Here::default() }
    }

    fn counts() -> Counts {
        Counts {
            opened: 10,
            refused: [(429, 2)].into(),
            closed: [(4408, 1), (1009, 2), (1000, 4)].into(),
            cut: 3,
            ..Counts::default()
        }
    }

    #[test]
    fn what_both_know_is_no_difference() {
        assert_eq!(counts().differences(&here()), [""; 0]);
    }

    #[test]
    fn one_connection_that_nobody_accounts_for_is_found() {
        let cases: [fn(&mut Here); 6] = [
            |here| here.connections_total += 1,
            |here| here.refused -= 1,
            |here| here.timed_out += 1,
            |here| here.lost += 1,
            |here| here.too_slow += 1,
            |here| here.errors = [("system".to_owned(), 1)].into(),
        ];
        for case in cases {
            let mut here = here();
            case(&mut here);
            assert_ne!(counts().differences(&here), [""; 0], "{here:?}");
        }
    }

    #[test]
    fn only_who_floods_is_closed_with_1013() {
        let here = Here { connections_total: 11, ..here() };
        let mut counts = Counts { opened: 11, flooded: 1, ..counts() };
        assert_ne!(counts.differences(&here), [""; 0]);
        counts.closed.insert(1013, 1);
        assert_eq!(counts.differences(&here), [""; 0]);
        counts.flooded = 0;
        assert_ne!(counts.differences(&here), [""; 0]);
    }

    #[test]
    fn who_was_not_told_may_be_any_of_them() {
        let (mut counts, mut here) = (counts(), here());
        (counts.opened, counts.unknown, here.connections_total, here.lost) = (11, 1, 11, 4);
        assert_eq!(counts.differences(&here), [""; 0]);
        (here.lost, here.too_slow) = (3, 1);
        assert_eq!(counts.differences(&here), [""; 0]);
        here.too_slow = 2;
        assert_ne!(counts.differences(&here), [""; 0]);
    }
}
