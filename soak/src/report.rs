//! What came of a run.

use std::fmt;
use std::time::Duration;

use crate::footprint::Memory;
use crate::tally::Counts;

/// How much more memory there may be later than after the first round, in percent.
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

    /// Memory that is left, in words: after the last round, and, so that one lucky look decides nothing, in the median of all
    /// later ones. The kernel takes back pages of the program when it likes, which would hide as much growth: so what is
    /// anonymous may not grow by more either. That there is less is no fault.
    fn growth(&self) -> Vec<String> {
        let Some((first, later)) = self.rounds.split_first().filter(|_| self.judges_memory) else { return Vec::new() };
        let more = first.memory.resident * GROWTH_PERCENT / 100;
        let grown = |what: &str, of: fn(&Memory) -> u64| {
            let mut levels: Vec<_> = later.iter().map(|round| of(&round.memory)).collect();
            let (from, last) = (of(&first.memory), *levels.last()?);
            levels.sort_unstable();
            let median = levels[(levels.len() - 1) / 2];
            let words = || {
                format!(
                    "memory: {last} KiB {what} after the last round, {median} in the median of the later ones, {from} after the first: \
                     more by more than {GROWTH_PERCENT}% of all, {more} KiB"
                )
            };
            (last.max(median) > from + more).then(words)
        };
        let resident = grown("resident", |memory| memory.resident);
        resident.into_iter().chain(grown("of heap and stacks", |memory| memory.anonymous)).collect()
    }

    /// The first level, the highest and the last, in KiB.
    fn levels(&self) -> Option<[u64; 3]> {
        let resident = || self.rounds.iter().map(|round| round.memory.resident);
        Some([resident().next()?, resident().max()?, resident().next_back()?])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { parts, refused, closed, cut, unknown, errors, opened, .. } = &self.counts;
        writeln!(f, "\n{opened} connections; {cut} cut off by their clients, {unknown} without a word of the server")?;
        writeln!(f, "closed: {closed:?}; refused: {refused:?}; error frames: {errors}")?;
        write!(f, "parts: {parts:?}")?;
        if let Some([first, most, last]) = self.levels() {
            write!(f, "\nmemory: {first} KiB after the first round, {last} after the last, {most} at most")?;
        }
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

    fn of(levels: &[Memory]) -> Report {
        let round = |(number, memory): (u32, &Memory)| Round {
            number,
            lasted: Duration::ZERO,
            opened: 0,
            messages: 0,
            memory: *memory,
            descriptors: 0,
        };
        Report { rounds: (1..).zip(levels).map(round).collect(), judges_memory: true, ..Report::default() }
    }

    fn report(resident: &[u64]) -> Report {
        of(&resident.iter().map(|resident| Memory { resident: *resident, anonymous: 0 }).collect::<Vec<_>>())
    }

    #[test]
    fn two_percent_are_no_growth_and_three_are() {
        assert_eq!(report(&[10_000, 10_100, 10_200]).failures(), [""; 0]);
        assert_eq!(report(&[10_000, 9_000]).failures(), [""; 0]);
        assert_eq!(report(&[10_000, 10_300]).failures().len(), 1);
        let short = Report { judges_memory: false, ..report(&[10_000, 20_000]) };
        assert_eq!(short.failures(), [""; 0]);
    }

    #[test]
    fn most_of_the_rounds_in_between_are_judged_too_and_so_is_the_heap() {
        assert_eq!(report(&[10_000, 10_500, 10_000, 10_000]).failures(), [""; 0], "one of three");
        assert_eq!(report(&[10_000, 10_500, 10_500, 10_000]).failures().len(), 1, "two of three");
        let heap = |to| {
            let levels = [(10_000, 2_000), (9_700, to)];
            of(&levels.map(|(resident, anonymous)| Memory { resident, anonymous })).failures()
        };
        assert_eq!(heap(2_200), [""; 0]);
        assert!(matches!(&heap(2_201)[..], [one] if one.contains("2201 KiB of heap")), "{:?}", heap(2_201));
        assert_eq!(report(&[9_000, 9_100, 9_050]).levels(), Some([9_000, 9_100, 9_050]));
    }
}
