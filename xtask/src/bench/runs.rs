//! What was measured, and the ratios in it.

use serde_json::{Value, json};

use super::server::Kind;
use super::statistics::Spread;

/// One short run.
#[derive(Debug)]
struct Run {
    cycle: usize,
    kind: Kind,
    work: Work,
    report: Value,
}

/// What a server was made to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Fanout1,
    Fanout8,
    /// To one group of as many as all the small groups have together.
    FanoutWhole,
    Echo,
    Connect,
    Groups,
    Churn,
    Idle,
    Rounds,
    Unrelated,
    /// The way to Redis: with so many in flight, the other way, and after an interruption.
    Publish1,
    Publish8,
    Publish64,
    Hear,
    Again,
    /// Connections that do nothing, as Redis sees them.
    Resting,
}

impl Work {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fanout1 => "fan-out, 1 in flight",
            Self::Fanout8 => "fan-out, 8 in flight",
            Self::FanoutWhole => "fan-out to as many as all groups",
            Self::Echo => "echo",
            Self::Connect => "connects",
            Self::Groups => "groups",
            Self::Churn => "groups, a join and a leave a message",
            Self::Idle => "idle",
            Self::Rounds => "coming and going",
            Self::Unrelated => "unrelated",
            Self::Publish1 => "publishing to Redis, 1 in flight",
            Self::Publish8 => "publishing to Redis, 8 in flight",
            Self::Publish64 => "publishing to Redis, 64 in flight",
            Self::Hear => "hearing from Redis",
            Self::Again => "topics live again",
            Self::Resting => "idle connections",
        }
    }

    /// The member of a report that says how fast it went.
    pub(super) fn rate(self) -> &'static str {
        match self {
            Self::Echo => "/messages_per_s",
            Self::Connect => "/connects_per_s",
            _ => "/deliveries_per_s",
        }
    }

    /// The member of a report that says what it cost.
    pub(super) fn cost(self) -> &'static str {
        if self == Self::Connect { "/cpu_s_per_1000_connects" } else { "/cpu_s_per_million" }
    }
}

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    pub(super) fn add(&mut self, cycle: usize, kind: Kind, work: Work, report: Value) {
        self.0.push(Run { cycle, kind, work, report });
    }

    /// A member of the reports about one server's work, over all cycles.
    pub(super) fn values(&self, kind: Kind, work: Work, member: &str) -> Option<Spread> {
        let runs = self.0.iter().filter(|run| run.kind == kind && run.work == work);
        Spread::of(runs.filter_map(|run| run.report.pointer(member)?.as_f64()))
    }

    /// One server's member through another's, each pair from one cycle.
    pub(super) fn ratios(&self, of: (Kind, Work), to: (Kind, Work), member: &str) -> Option<Spread> {
        self.ratios_of((of.0, of.1, member), (to.0, to.1, member))
    }

    /// The same, of two members.
    pub(super) fn ratios_of(&self, of: (Kind, Work, &str), to: (Kind, Work, &str)) -> Option<Spread> {
        let cycles = self.0.iter().map(|run| run.cycle).max()?;
        Spread::of((0..=cycles).filter_map(|cycle| Some(self.value(cycle, of)? / self.value(cycle, to)?)))
    }

    fn value(&self, cycle: usize, (kind, work, member): (Kind, Work, &str)) -> Option<f64> {
        let run = self.0.iter().find(|run| (run.cycle, run.kind, run.work) == (cycle, kind, work))?;
        run.report.pointer(member)?.as_f64()
    }

    /// The report of the one run that there is of some work.
    pub(super) fn report(&self, kind: Kind, work: Work) -> Option<&Value> {
        self.0.iter().find(|run| run.kind == kind && run.work == work).map(|run| &run.report)
    }

    /// For a file.
    pub(super) fn to_json(&self) -> Value {
        let run = |run: &Run| json!({ "cycle": run.cycle, "server": run.kind.name(), "work": run.work.name(), "report": run.report });
        self.0.iter().map(run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_its_cycle() {
        let mut runs = Runs::default();
        // The machine is twice as fast in the second cycle, and the baseline's third run is missing.
        for (cycle, ours, base) in [(0, 90.0, Some(100.0)), (1, 180.0, Some(200.0)), (2, 50.0, None)] {
            runs.add(cycle, Kind::Channels, Work::Echo, json!({ "messages_per_s": ours }));
            if let Some(base) = base {
                runs.add(cycle, Kind::Direct, Work::Echo, json!({ "messages_per_s": base }));
            }
        }
        let (ours, base) = ((Kind::Channels, Work::Echo), (Kind::Direct, Work::Echo));
        let ratios = runs.ratios(ours, base, Work::Echo.rate()).unwrap();
        assert_eq!((ratios.least, ratios.median, ratios.most), (0.9, 0.9, 0.9));
        assert_eq!(runs.values(Kind::Channels, Work::Echo, "/messages_per_s").unwrap().median, 90.0);
        assert_eq!(runs.ratios(ours, (Kind::AxumWs, Work::Echo), Work::Echo.rate()), None);
        assert_eq!(runs.to_json().as_array().unwrap().len(), 5);
    }
}
