//! What came of it, and what of that breaks a promise.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::client::Noted;
use super::{Account, Form};

/// So many of one kind are told.
const TOLD: usize = 5;
/// What may be told to come in a second beside the rate: one of so many. Turns are counted from when clients hear of
/// them, which is earlier or later by the steps of the closing and by how busy they are.
const HEARD_LATE: usize = 20;
/// Of so many deliveries one may be on its way when its client is closed. A drain that lost what each client was sent last
/// would lose more.
const ONE_ON_ITS_WAY: usize = 500;

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many clients there were.
    pub clients: usize,
    /// How many may come back a second.
    pub rate: usize,
    /// How many more may be seen to, in percent.
    pub tolerance: usize,
    /// From SIGTERM to the end of the old server.
    pub drain: Duration,
    /// What its drain came to: connections closed, connections dropped, messages not sent.
    pub drained: Option<[usize; 3]>,
    /// The most turns within any second, by what clients were told, those who cannot be told left out.
    pub told: usize,
    /// The most that came within any second.
    pub busiest: usize,
    /// How many came back.
    pub back: usize,
    /// How long clients were away: the median, and the longest.
    pub away: [Duration; 2],
    /// What became of the messages.
    pub account: Account,
    refused: Vec<String>,
    problems: Vec<String>,
}

impl Report {
    pub(super) fn new(form: &Form) -> Self {
        Self { clients: form.clients, rate: form.rate, tolerance: form.tolerance, ..Self::default() }
    }

    pub(super) fn problem(&mut self, what: String) {
        self.problems.push(what);
    }

    pub(super) fn noted(&mut self, noted: &Noted) {
        self.told = busiest_second(noted.turns.clone());
        self.busiest = busiest_second(noted.came_back.clone());
        self.back = noted.came_back.len();
        let mut away = noted.away.clone();
        away.sort_unstable();
        let at = |index: usize| away.get(index).copied().unwrap_or_default();
        self.away = [at(away.len() / 2), at(away.len().saturating_sub(1))];
        self.refused.clone_from(&noted.refused);
        self.problems.extend(noted.surprises.iter().cloned());
    }

    /// Everything that breaks a promise.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut several = |what: &str, all: &[String]| {
            failures.extend(all.iter().take(TOLD).map(|one| format!("{what}: {one}")));
            if all.len() > TOLD {
                failures.push(format!("{what}: … and {} more", all.len() - TOLD));
            }
        };
        several("refused", &self.refused);
        several("lost in silence", &self.account.lost);
        several("misplaced", &self.account.misplaced);
        several("problem", &self.problems);
        let most = self.rate + self.rate / HEARD_LATE + 1;
        if self.told > most {
            failures.push(format!("{} were told to come within a second, at a rate of {}", self.told, self.rate));
        }
        let most = self.rate + self.rate * self.tolerance / 100;
        if self.busiest > most {
            failures.push(format!("{} came within a second, at a rate of {}", self.busiest, self.rate));
        }
        let Account { got, on_their_way, away, .. } = self.account;
        if on_their_way > got / ONE_ON_ITS_WAY {
            failures
                .push(format!("{on_their_way} were on their way when their clients were closed, of {got} that came"));
        }
        match self.drained {
            // What comes for a connection that has begun to end is counted as not sent, and is in the account of its client.
            Some([closed, 0, unsent]) if closed == self.clients && unsent <= on_their_way + away => {}
            other => failures.push(format!("closed, dropped, not sent: {other:?} of {} clients", self.clients)),
        }
        failures
    }
}

/// The most moments within any second.
fn busiest_second(mut moments: Vec<Instant>) -> usize {
    moments.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (index, at) in moments.iter().enumerate() {
        while *at - moments[first] >= Duration::from_secs(1) {
            first += 1;
        }
        most = most.max(index + 1 - first);
    }
    most
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [closed, dropped, unsent] = self.drained.unwrap_or_default();
        let seconds = |duration: Duration| duration.as_secs_f64();
        writeln!(f, "clients                                   {}", self.clients)?;
        writeln!(f, "the drain took                            {:.1} s", seconds(self.drain))?;
        writeln!(f, "closed, dropped, messages not sent        {closed}, {dropped}, {unsent}")?;
        writeln!(f, "came back, refused                        {}, {}", self.back, self.refused.len())?;
        writeln!(f, "the rate, turns told in a second at most  {}, {}", self.rate, self.told)?;
        writeln!(f, "came in the busiest second                {}", self.busiest)?;
        writeln!(
            f,
            "away, median and longest                  {:.2} s, {:.2} s",
            seconds(self.away[0]),
            seconds(self.away[1])
        )?;
        let Account { sent, unanswered, got, away, on_their_way, at_both, lost, misplaced } = &self.account;
        writeln!(f, "messages sent, unanswered                 {sent}, {unanswered}")?;
        writeln!(f, "deliveries that came                      {got}")?;
        writeln!(f, "  to clients that were away               {away}")?;
        writeln!(f, "  on their way at the close               {on_their_way}")?;
        writeln!(f, "  at both servers                         {at_both}")?;
        write!(f, "  lost in silence, misplaced              {}, {}", lost.len(), misplaced.len())?;
        for failure in self.failures() {
            write!(f, "\nFAILED  {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_busiest_second_begins_anywhere() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        assert_eq!(busiest_second(vec![]), 0);
        assert_eq!(busiest_second(vec![at(900), at(0), at(1100), at(1800), at(3000)]), 3);
    }

    #[test]
    fn what_breaks_a_promise_is_told() {
        let fine =
            Report { clients: 5, rate: 100, told: 106, busiest: 100, drained: Some([5, 0, 0]), ..Report::default() };
        assert_eq!(fine.failures(), [""; 0]);
        let cases: [fn(&mut Report); 7] = [
            |report| report.told = 107,
            |report| report.busiest = 101,
            |report| report.drained = Some([5, 0, 1]),
            |report| report.drained = None,
            |report| report.account.lost.push("one".into()),
            |report| report.refused.push("one".into()),
            |report| (report.account.got, report.account.on_their_way) = (999, 2),
        ];
        for case in cases {
            let mut report = fine.clone();
            case(&mut report);
            assert_eq!(report.failures().len(), 1, "{report}");
        }
    }
}
