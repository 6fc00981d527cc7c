//! What a run found, for a person to read, and whether that is good enough.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::board::micros;
use crate::faults::Faults;
use crate::memory::Growth;
use crate::options::Options;
use crate::plan::Plan;
use crate::process::Usage;

/// Later than the latency's limit divided by this, the generator was too busy itself for its latencies to say
/// anything about the server.
const LAG_SHARE: u32 = 2;

/// The server's CPU time and its memory.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// From the first message to the last delivery, in seconds.
    pub(crate) cpu: f64,
    /// The generator's own, over the same time.
    pub(crate) own_cpu: f64,
    pub(crate) wall: Duration,
    /// When everybody had joined, before the first message.
    pub(crate) joined: Option<Usage>,
    pub(crate) last: Option<Usage>,
    pub(crate) growth: Option<Growth>,
}

/// Everything there is to say about a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) options: Options,
    pub(crate) opening: Duration,
    pub(crate) sent: u64,
    pub(crate) deliveries: u64,
    pub(crate) bytes: u64,
    pub(crate) notices: u64,
    pub(crate) latency: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
    pub(crate) load: Load,
    /// `/api/status` at several times, with the time's name.
    pub(crate) statuses: Vec<(&'static str, String)>,
    pub(crate) stopped: Option<Duration>,
    pub(crate) faults: Faults,
}

impl Report {
    /// Why the run has failed; empty if it has not.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures: Vec<_> = self.faults.counts().map(|(kind, count)| format!("{kind}: {count}")).collect();
        let expected = self.options.messages();
        if self.sent != expected {
            failures.push(format!("{} of {expected} messages were sent", self.sent));
        }
        let p99 = self.latency.value_at_quantile(0.99);
        if p99 >= micros(self.options.p99_limit) {
            failures.push(format!("p99 {} is not below {:?}", Millis(p99), self.options.p99_limit));
        }
        let lag = self.lag.value_at_quantile(0.99);
        if lag >= micros(self.options.p99_limit / LAG_SHARE) {
            failures
                .push(format!("the generator was late itself (p99 {}): the machine is too busy to tell", Millis(lag)));
        }
        match self.load.growth {
            Some(growth) if growth.too_much() => {
                failures.push(format!("memory grew from {} to {}", Mebi(growth.half), Mebi(growth.end)));
            }
            Some(_) => {}
            None => failures.push("the server's memory could not be read".into()),
        }
        failures
    }
}

/// Told before the run.
pub(crate) fn announce(options: &Options, plan: &Plan) -> String {
    format!(
        "load      {} connections, each in {} of {} rooms (seed {}): {} rooms in use, {} shared, the largest by {}\n          \
         {} messages a second in all, of {} characters, for {:?}",
        options.connections,
        options.rooms_per_connection,
        options.rooms,
        options.seed,
        plan.rooms_in_use(),
        plan.rooms_shared(),
        plan.largest_room(),
        options.rate,
        options.characters,
        options.duration
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantile = |histogram: &Histogram<u64>, quantile| Millis(histogram.value_at_quantile(quantile));
        let joins = u64::from(self.options.connections) * u64::from(self.options.rooms_per_connection);
        writeln!(f, "opening   {} connections and {joins} joins in {:.1?}", self.options.connections, self.opening)?;
        writeln!(
            f,
            "messages  {} sent, {} deliveries ({:.1} MB), {} notices besides",
            self.sent,
            self.deliveries,
            self.bytes as f64 / 1e6,
            self.notices
        )?;
        writeln!(
            f,
            "latency   p50 {}, p99 {}, max {}; p99 has to stay below {:?}; the generator's own lag: p99 {}, max {}",
            quantile(&self.latency, 0.5),
            quantile(&self.latency, 0.99),
            Millis(self.latency.max()),
            self.options.p99_limit,
            quantile(&self.lag, 0.99),
            Millis(self.lag.max())
        )?;
        self.load.fmt(f)?;
        for (when, status) in &self.statuses {
            writeln!(f, "status    {when}: {status}")?;
        }
        match self.stopped {
            Some(time) => writeln!(f, "stop      SIGTERM, ended with 0 after {time:.1?}")?,
            None => writeln!(f, "stop      not clean")?,
        }
        for example in self.faults.examples() {
            writeln!(f, "fault     {example}")?;
        }
        let failures = self.failures();
        for failure in &failures {
            writeln!(f, "FAILED    {failure}")?;
        }
        if failures.is_empty() {
            write!(f, "passed    nothing lost, doubled or misordered; every room saw one order")?;
        }
        Ok(())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(joined), Some(last)) = (self.joined, self.last) {
            writeln!(
                f,
                "memory    server {} when all had joined, {} at the end, peak {}",
                Mebi(joined.rss),
                Mebi(last.rss),
                Mebi(last.peak)
            )?;
        }
        if let Some(growth) = self.growth {
            write!(f, "growth    {} at half time, {} at the end; ", Mebi(growth.half), Mebi(growth.end))?;
            match growth.limit {
                Some(limit) => writeln!(f, "at most {} is allowed (2% and 4 MiB more)", Mebi(limit))?,
                None => writeln!(f, "NOT JUDGED: the run is shorter than a minute")?,
            }
        }
        writeln!(
            f,
            "cpu       server {:.1} s, generator {:.1} s, in {:.1} s",
            self.cpu,
            self.own_cpu,
            self.wall.as_secs_f64()
        )
    }
}

/// Microseconds, shown as milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0 as f64 / 1e3)
    }
}

/// KiB, shown as MiB.
struct Mebi(u64);

impl fmt::Display for Mebi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Kind;

    fn report() -> Report {
        let options = Options { rate: 1, duration: Duration::from_secs(100), ..Options::default() };
        let histogram = || Histogram::new_with_max(60_000_000, 3).unwrap();
        let growth = Some(Growth { half: 1_000, end: 1_000, limit: Some(6_000) });
        Report {
            sent: options.messages(),
            options,
            opening: Duration::ZERO,
            deliveries: 0,
            bytes: 0,
            notices: 0,
            latency: histogram(),
            lag: histogram(),
            load: Load { growth, ..Load::default() },
            statuses: Vec::new(),
            stopped: Some(Duration::ZERO),
            faults: Faults::default(),
        }
    }

    #[test]
    fn a_clean_run_passes_and_says_so() {
        let report = report();
        assert_eq!(report.failures(), Vec::<String>::new());
        assert!(report.to_string().contains("passed"));
    }

    #[test]
    fn one_lost_message_fails() {
        let mut report = report();
        report.faults.add(Kind::Lost, || "message 7".into());
        assert_eq!(report.failures(), ["lost: 1"]);
        assert!(report.to_string().contains("lost: message 7"));
    }

    #[test]
    fn latency_is_judged_by_the_99th_percentile() {
        let mut report = report();
        report.latency.record_n(20_000, 989).unwrap();
        report.latency.record_n(100_500, 11).unwrap();
        assert!(report.failures()[0].starts_with("p99 100."), "{:?}", report.failures());
        report.latency.record_n(20_000, 200).unwrap();
        assert_eq!(report.failures(), Vec::<String>::new());
    }

    #[test]
    fn too_few_messages_a_late_generator_and_growth_fail() {
        let mut report = report();
        report.sent -= 1;
        report.lag.record(60_000).unwrap();
        report.load.growth = Some(Growth { half: 1_000, end: 6_001, limit: Some(6_000) });
        assert_eq!(report.failures().len(), 3, "{:?}", report.failures());
    }
}
