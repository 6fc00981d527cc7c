//! R5: who published knows what became of it, soon.

use std::collections::HashSet;

use super::{ANSWERED_WITHIN, Circumstances, Findings};
use crate::books::Pages;
use crate::clock::At;
use crate::wire::{Outcome, Stamp};

/// What the way from the publisher to its server and back may take besides, on a busy machine.
const GRACE: At = 500;

pub(super) fn check(pages: &Pages, circumstances: &Circumstances, findings: &mut Findings) {
    let received: HashSet<Stamp> =
        pages.clients.iter().flat_map(|client| client.received.iter().map(|(stamp, _)| *stamp)).collect();
    for (publisher, sent) in pages.sent.iter().enumerate() {
        for (number, sent) in sent.iter().enumerate() {
            let stamp = Stamp { publisher: u32::try_from(publisher).unwrap(), number: u32::try_from(number).unwrap() };
            let outcome = sent.outcome();
            if matches!(outcome, Outcome::NotSent | Outcome::Refused) && received.contains(&stamp) {
                findings.violations.add("R5 not sent is not sent", || {
                    format!("{stamp:?} to {:?} was answered with {outcome:?}, and came", sent.to)
                });
            }
            let waited = sent.answered.map(|(at, _)| at.saturating_sub(sent.at));
            let may_wait = !circumstances.paused.is_empty();
            if waited.is_some_and(|waited| waited > ANSWERED_WITHIN + GRACE) && !may_wait {
                findings.violations.add("R5 answered within 5 s", || {
                    format!("{stamp:?} at {} was answered after {} ms", sent.at, waited.unwrap_or_default())
                });
            }
            if outcome != Outcome::Ok && circumstances.back.is_some_and(|back| sent.at >= back) {
                findings.last_missed = findings.last_missed.max(Some(sent.at));
            }
        }
    }
    for refused in &pages.refused_joins {
        let waited = refused.to.saturating_sub(refused.from);
        if waited > ANSWERED_WITHIN + GRACE && circumstances.paused.is_empty() {
            findings.violations.add("R5 answered within 5 s", || format!("a join after {waited} ms: {refused:?}"));
        }
        if circumstances.lost.is_none_or(|lost| refused.to < lost) {
            findings.violations.add("joins are taken", || format!("{refused:?}"));
        }
        if circumstances.back.is_some_and(|back| refused.from >= back) {
            findings.last_missed = findings.last_missed.max(Some(refused.from));
        }
    }
}
