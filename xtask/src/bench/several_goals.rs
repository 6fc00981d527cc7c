//! What several servers are to reach, and whether they did.

use serde_json::Value;

use super::goals::shown;
use super::options::Scale;
use super::runs::{Runs, Work};
use super::server::Kind::{InMemory, Two};
use super::statistics::{Spread, thousands};
use super::table::Row;

/// CPU a delivery of two servers, in that of one in memory; and with what Redis uses.
const FANOUT: f64 = 1.15;
const WITH_REDIS: f64 = 1.25;
/// Messages for a second of CPU, of a bare loop's.
const LINK: f64 = 0.7;
/// Seconds until all topics are live again.
const AGAIN: f64 = 2.0;
/// Commands of Redis for a connection that does nothing, a second, beside the renewal of its user's count.
const RESTING: f64 = 0.001;

/// The member of a report in which Redis is counted.
const COST_WITH_REDIS: &str = "/cpu_s_per_million_with_redis";

/// The lines of what was measured.
pub(super) fn rows(runs: &Runs, scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for work in [Work::Fanout1, Work::Fanout8] {
        let members = thousands(u64::from(scale.members));
        let name = work.name().replacen("fan-out", &format!("two servers and Redis: fan-out to {members}"), 1);
        rows.extend(fan_out(runs, work, &name));
    }
    for (work, goal) in
        [(Work::Publish1, Some(LINK)), (Work::Publish8, None), (Work::Publish64, None), (Work::Hear, Some(LINK))]
    {
        rows.push(beside_bare(runs, work, goal));
    }
    rows.push(again(runs, scale));
    rows.push(resting(runs, scale));
    rows
}

/// Without Redis' own CPU, and with it.
fn fan_out(runs: &Runs, work: Work, name: &str) -> [Row; 2] {
    let servers = runs.ratios((Two, work), (InMemory, work), work.cost());
    let with = runs.ratios_of((Two, work, COST_WITH_REDIS), (InMemory, work, work.cost()));
    let at_most = |name: String, goal: f64, ratio: Option<Spread>, context: String| Row {
        work: name,
        goal: format!("CPU a delivery ≤ {goal} of in memory"),
        measured: shown(ratio),
        met: ratio.map(|ratio| ratio.median <= goal),
        context,
    };
    let rate = runs.ratios((Two, work), (InMemory, work), work.rate());
    let context = format!("deliveries a second {} of in memory, all on one core", shown(rate));
    [
        at_most(name.to_owned(), FANOUT, servers, context),
        at_most(format!("{name}, CPU of Redis included"), WITH_REDIS, with, String::new()),
    ]
}

fn beside_bare(runs: &Runs, work: Work, goal: Option<f64>) -> Row {
    let ratio = spread(runs, work, "ratios");
    Row {
        work: work.name().to_owned(),
        goal: goal.map_or("watched".into(), |goal| format!("≥ {goal} of a bare loop, per CPU-second")),
        measured: shown(ratio),
        met: ratio.zip(goal).map(|(ratio, goal)| ratio.median >= goal),
        context: String::new(),
    }
}

fn again(runs: &Runs, scale: &Scale) -> Row {
    let seconds = spread(runs, Work::Again, "again");
    Row {
        work: format!("{} topics live again", thousands(u64::from(scale.topics))),
        goal: format!("≤ {AGAIN} s"),
        measured: format!("{} s", shown(seconds)),
        // Whoever waits, waits for the slowest.
        met: seconds.map(|seconds| seconds.most <= AGAIN),
        context: String::new(),
    }
}

fn resting(runs: &Runs, scale: &Scale) -> Row {
    let counts = runs.report(Two, Work::Resting).map(|report| &report["redis_commands"]);
    // For counts and others, each without connections and with them.
    let kind = |kind: usize| counts.and_then(|counts| counts[0][kind].as_f64().zip(counts[1][kind].as_f64()));
    let (counting, others) = (kind(0), kind(1));
    let a_connection = |(without, with)| (with - without) / f64::from(scale.members) / scale.resting;
    let each = others.map(a_connection);
    Row {
        work: "commands of Redis for an idle connection, beside its count".into(),
        goal: format!("≤ {RESTING} a second"),
        measured: each.map_or("?".into(), |each| format!("{each:.4}")),
        met: each.map(|each| each <= RESTING),
        context: others.zip(counting).map_or(String::new(), |((without, with), counting)| {
            let members = thousands(u64::from(scale.members));
            let counting = a_connection(counting);
            format!("{without} without connections, {with} with {members}; for its count {counting:.4} a second")
        }),
    }
}

/// A list of numbers in a report.
fn spread(runs: &Runs, work: Work, member: &str) -> Option<Spread> {
    let numbers = runs.report(Two, work)?[member].as_array()?;
    Spread::of(numbers.iter().map(|number| Value::as_f64(number).unwrap_or(f64::NAN)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options::Options;
    use serde_json::json;

    fn scale() -> Scale {
        Options::default().scale
    }

    #[test]
    fn redis_is_counted_by_itself() {
        let mut runs = Runs::default();
        let two = json!({ "cpu_s_per_million": 11.0, "cpu_s_per_million_with_redis": 13.0, "deliveries_per_s": 9 });
        runs.add(0, Two, Work::Fanout1, two);
        runs.add(0, InMemory, Work::Fanout1, json!({ "cpu_s_per_million": 10.0, "deliveries_per_s": 10 }));
        let rows = fan_out(&runs, Work::Fanout1, "fan-out");
        assert_eq!(rows.each_ref().map(|row| row.met), [Some(true), Some(false)]);
        assert!(rows[0].measured.starts_with("1.10") && rows[1].measured.starts_with("1.30"), "{rows:?}");
    }

    #[test]
    fn the_slowest_counts_where_all_wait() {
        let mut runs = Runs::default();
        runs.add(0, Two, Work::Again, json!({ "again": [0.5, 2.5, 0.6] }));
        assert_eq!(again(&runs, &scale()).met, Some(false));
    }

    #[test]
    fn idle_connections_are_told_from_an_idle_server() {
        let mut runs = Runs::default();
        runs.add(0, Two, Work::Resting, json!({ "redis_commands": [[0, 40], [200, 41]] }));
        assert_eq!(resting(&runs, &scale()).met, Some(true));
        let mut runs = Runs::default();
        runs.add(0, Two, Work::Resting, json!({ "redis_commands": [[0, 40], [0, 1040]] }));
        assert_eq!(resting(&runs, &scale()).met, Some(false));
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let rows = rows(&Runs::default(), &scale());
        assert!(rows.len() == 10 && rows.iter().all(|row| row.met.is_none()));
    }
}
