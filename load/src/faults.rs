//! What went wrong, counted by kind, with a few examples in words.

use std::collections::BTreeMap;
use std::fmt;

/// Examples kept for the report; the counts are exact.
const EXAMPLES: usize = 20;

/// With so many faults a run has failed beyond doubt; going on would only use up memory.
const ENOUGH: u64 = 10_000;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A member never got a message of its room.
    Lost,
    /// A member got a message twice.
    Duplicate,
    /// A member got an older message of a publisher after a newer one.
    Misordered,
    /// Two members of a room got its messages in different orders.
    Disagreement,
    /// A text was changed, or came under another name, or to a room or member that it is not for.
    Corrupted,
    /// The server answered with an `error` frame.
    ErrorFrame,
    /// A connection could not be opened, or its handshake, welcome or join was not as the contract says.
    Opening,
    /// The server ended a connection, or did not answer a close frame.
    Closed,
    /// A connection could not send as fast as its share of the load.
    Backlog,
    /// The server process ended, or `/api/status` or its exit was not as the contract says.
    Server,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Duplicate => "delivered twice",
            Self::Misordered => "misordered",
            Self::Disagreement => "members disagree on the order",
            Self::Corrupted => "corrupted or misdirected",
            Self::ErrorFrame => "error frames",
            Self::Opening => "connections not opened or rooms not joined",
            Self::Closed => "unexpected closes",
            Self::Backlog => "senders held up",
            Self::Server => "the server process",
        })
    }
}

/// All faults of a run.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    counts: BTreeMap<Kind, u64>,
    examples: Vec<String>,
}

impl Faults {
    /// Counts a fault; the description is only made while examples are still wanted.
    pub(crate) fn add(&mut self, kind: Kind, describe: impl FnOnce() -> String) {
        self.add_many(kind, 1, describe);
    }

    /// Counts several of one kind under one description.
    pub(crate) fn add_many(&mut self, kind: Kind, count: u64, describe: impl FnOnce() -> String) {
        *self.counts.entry(kind).or_default() += count;
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("{kind}: {}", describe()));
        }
    }

    /// How many of one kind.
    #[cfg(test)]
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// How many in all.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether it makes no sense to go on.
    pub(crate) fn enough(&self) -> bool {
        self.total() >= ENOUGH || self.counts.contains_key(&Kind::Server) || self.counts.contains_key(&Kind::Opening)
    }

    /// The kinds that occurred, with their counts.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.counts.iter().map(|(kind, count)| (*kind, *count))
    }

    /// The first faults, in words.
    pub(crate) fn examples(&self) -> &[String] {
        &self.examples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_examples_few() {
        let mut faults = Faults::default();
        for n in 0..ENOUGH - 1 {
            faults.add(Kind::Duplicate, || format!("message {n}"));
        }
        assert_eq!((faults.total(), faults.examples().len(), faults.enough()), (ENOUGH - 1, EXAMPLES, false));
        faults.add(Kind::Lost, || "one more".into());
        assert!(faults.enough());
    }

    #[test]
    fn a_dead_server_is_enough_at_once() {
        let mut faults = Faults::default();
        faults.add(Kind::Server, || "exit code 1".into());
        assert!(faults.enough());
    }
}
