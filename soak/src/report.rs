//! What came of a run.

use std::fmt;
use std::time::Duration;

use crate::footprint::Memory;
use crate::tally::Counts;

/// How much more memory there may be after the last round than after the first, in percent.
const GROWTH_PERCENT: u64 = 2;

/// What was left behind one round, when everybody had gone.
#[derive(Clone, Debug)]
pub struct Round {
    /// Which.
    pub number: u32,
    /// How long it took, with its end.
    pub lasted: Duration,
    /// Connections that were opened so far.
    pub opened: u64,
    /// Messages that the server got so far.
    pub messages: u64,
    /// Memory.
    pub memory: Memory,
    /// Open descriptors.
    pub descriptors: usize,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Round by round.
    pub rounds: Vec<Round>,
    /// What clients did and were told.
    pub counts: Counts,
    /// What is wrong, beside memory.
    pub problems: Vec<String>,
    /// Whether memory is judged.
    pub judges_memory: bool,
    /// The end of the server's log.
    pub log: String,
}

/// The columns of [`Round`].
pub const HEAD: &str = "round  seconds  connections   messages  resident KiB  of it heap  descriptors\n\
     -----  -------  -----------  ---------  ------------  ----------  -----------";

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, lasted, opened, messages, memory: Memory { resident, anonymous }, descriptors } = self;
        let seconds = lasted.as_secs_f64();
        write!(
            f,
            "{number:5}  {seconds:7.0}  {opened:11}  {messages:9}  {resident:12}  {anonymous:10}  {descriptors:11}"
        )
    }
}

impl Report {
    /// Everything that is wrong.
    pub fn failures(&self) -> Vec<String> {
        self.problems.iter().cloned().chain(self.growth()).collect()
    }

    /// Memory that is left, in words.
    fn growth(&self) -> Option<String> {
        let [first, .., last] = &self.rounds[..] else { return None };
        let most = first.memory.resident + first.memory.resident * GROWTH_PERCENT / 100;
        (self.judges_memory && last.memory.resident > most).then(|| {
            let (from, to) = (first.memory.resident, last.memory.resident);
            format!("memory: {to} KiB after the last round, {from} after the first: more than {GROWTH_PERCENT}%")
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { parts, refused, closed, cut, unknown, errors, opened, .. } = &self.counts;
        writeln!(f, "\n{opened} connections; {cut} cut off by their clients, {unknown} without a word of the server")?;
        writeln!(f, "closed: {closed:?}; refused: {refused:?}; error frames: {errors}")?;
        write!(f, "parts: {parts:?}")?;
        for failure in self.failures() {
            write!(f, "\nFAILED  {failure}")?;
        }
        if !self.failures().is_empty() {
            write!(f, "\nthe server said:\n{}", self.log)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(resident: &[u64]) -> Report {
        let round = |resident| Round {
            number: 1,
            lasted: Duration::ZERO,
            opened: 0,
            messages: 0,
            memory: Memory { resident, anonymous: 0 },
            descriptors: 0,
        };
        Report { rounds: resident.iter().copied().map(round).collect(), judges_memory: true, ..Report::default() }
    }

    #[test]
    fn two_percent_are_no_growth_and_three_are() {
        assert_eq!(report(&[10_000, 10_500, 10_200]).failures(), [""; 0]);
        assert_eq!(report(&[10_000, 9_000]).failures(), [""; 0]);
        assert_eq!(report(&[10_000, 10_300]).failures().len(), 1);
        let short = Report { judges_memory: false, ..report(&[10_000, 20_000]) };
        assert_eq!(short.failures(), [""; 0]);
    }
}
