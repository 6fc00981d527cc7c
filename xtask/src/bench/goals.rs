//! What is to be reached, and whether it was.

use serde_json::Value;

use super::options::{Options, Part};
use super::runs::{Runs, Work};
use super::server::Kind::{self, AxumWs, Channels, Direct};
use super::several_goals;
use super::statistics::{Spread, short, thousands};
use super::table::Row;

/// Of the direct server's rate.
const FANOUT: f64 = 0.9;
const ECHO: f64 = 0.9;
const CONNECTS: f64 = 0.8;
/// Resident bytes a connection.
const IDLE: f64 = 2048.0;
/// Cost of a delivery to small groups, in that to one large group.
const GROUPS: f64 = 1.5;
/// Milliseconds for a client that has nothing to do with the load, 99 times of 100.
const UNRELATED: f64 = 10.0;
/// What memory may grow by from the second round on: allocators breathe.
const GROWTH: f64 = 1.03;

/// The lines of what was measured.
pub(super) fn rows(runs: &Runs, options: &Options) -> Vec<Row> {
    let scale = &options.scale;
    let wants = |part| options.parts.contains(&part);
    let mut rows = Vec::new();
    if wants(Part::Fanout) {
        let members = thousands(u64::from(scale.members));
        for work in [Work::Fanout1, Work::Fanout8] {
            let name = work.name().replacen("fan-out", &format!("fan-out to {members}"), 1);
            rows.push(beside_direct(runs, work, name, FANOUT));
        }
    }
    if wants(Part::Echo) {
        rows.push(beside_direct(runs, Work::Echo, format!("echo, {} clients", scale.echoing), ECHO));
    }
    if wants(Part::Idle) {
        rows.push(idle(runs));
        rows.push(rounds(runs));
    }
    if wants(Part::Connect) {
        rows.push(beside_direct(runs, Work::Connect, Work::Connect.name().to_owned(), CONNECTS));
    }
    if wants(Part::Groups) {
        let groups = thousands(u64::from(scale.groups));
        for work in [Work::Groups, Work::Churn] {
            let name = work.name().replacen("groups", &format!("{groups} groups of 10"), 1);
            rows.push(beside_one_group(runs, work, name));
        }
    }
    if wants(Part::Unrelated) {
        rows.push(unrelated(runs, scale.crowd));
    }
    if wants(Part::Servers) {
        rows.extend(several_goals::rows(runs, scale));
    }
    // Runs of a fifth of a second say nothing.
    if scale.quick {
        rows.iter_mut().for_each(|row| row.met = None);
    }
    rows
}

fn beside_direct(runs: &Runs, work: Work, name: String, goal: f64) -> Row {
    let ratio = runs.ratios((Channels, work), (Direct, work), work.rate());
    // Cost is better where it is less, so the ratio is the other way round.
    let cost = runs.ratios((Direct, work), (Channels, work), work.cost());
    let axum = runs.ratios((Channels, work), (AxumWs, work), work.rate());
    let rate = |kind| runs.values(kind, work, work.rate()).map_or("?".into(), |rate| short(rate.median));
    let context = [
        format!("per CPU-second {}", shown(cost)),
        format!("{} of axum-ws", shown(axum.map(|axum| axum.median))),
        format!("{}/s, direct {}/s", rate(Channels), rate(Direct)),
    ];
    Row {
        work: name,
        goal: format!("≥ {goal} of direct"),
        measured: shown(ratio),
        met: ratio.map(|ratio| ratio.median >= goal),
        context: context.join("; "),
    }
}

fn beside_one_group(runs: &Runs, work: Work, name: String) -> Row {
    let factor = |kind| runs.ratios((kind, work), (kind, Work::Fanout1), work.cost());
    let (ours, direct) = (factor(Channels), factor(Direct));
    let beside = runs.ratios((Direct, work), (Channels, work), work.cost());
    let whole = Work::FanoutWhole;
    let as_many = runs.ratios((Channels, whole), (Channels, Work::Fanout1), work.cost());
    let of_as_many = runs.ratios((Channels, work), (Channels, whole), work.cost());
    let context = [
        format!("direct {}", shown(direct)),
        format!("per CPU-second {} of direct", shown(beside)),
        format!("one group of as many members {}", shown(as_many)),
        format!("{} of that", shown(of_as_many)),
    ];
    Row {
        work: name,
        goal: format!("CPU a delivery ≤ {GROUPS} of one group's"),
        measured: shown(ours),
        met: ours.map(|ours| ours.median <= GROUPS),
        context: context.join("; "),
    }
}

fn idle(runs: &Runs) -> Row {
    let bytes = |kind: Kind| runs.values(kind, Work::Idle, "/bytes_a_connection").map(|bytes| bytes.median);
    let text = |kind| bytes(kind).map_or("?".into(), |bytes| thousands(bytes as u64));
    Row {
        work: "an idle connection".into(),
        goal: format!("≤ {} B of RSS", thousands(IDLE as u64)),
        measured: format!("{} B", text(Channels)),
        met: bytes(Channels).map(|bytes| bytes <= IDLE),
        context: format!("direct {} B, axum-ws {} B", text(Direct), text(AxumWs)),
    }
}

fn rounds(runs: &Runs) -> Row {
    let report = runs.report(Channels, Work::Rounds);
    let after: Vec<f64> = report
        .and_then(|report| report["rss_after_rounds"].as_array())
        .map(|rounds| rounds.iter().filter_map(Value::as_f64).collect())
        .unwrap_or_default();
    // What the allocator keeps moves up and down from round to round: it is the highest of each half that tells.
    let (earlier, later) = after.split_at(after.len() / 2);
    let highest = |rounds: &[f64]| rounds.iter().copied().reduce(f64::max);
    let (earlier, later) = (highest(earlier), highest(later));
    let megabytes = |bytes: Option<f64>| bytes.map_or("?".into(), |bytes| format!("{:.1} MB", bytes / 1e6));
    Row {
        work: format!("memory after {} rounds of coming and going", after.len()),
        goal: "no growth".into(),
        measured: format!("at most {} in the second half", megabytes(later)),
        met: earlier.zip(later).map(|(earlier, later)| later <= earlier * GROWTH),
        context: format!("at most {} in the first", megabytes(earlier)),
    }
}

fn unrelated(runs: &Runs, members: u32) -> Row {
    let value = |kind, member| runs.values(kind, Work::Unrelated, member);
    let p99 = value(Channels, "/latency/p99_ms");
    Row {
        work: format!("an unrelated client's echo beside a group of {}", thousands(u64::from(members))),
        goal: format!("p99 < {UNRELATED} ms"),
        measured: format!("{} ms", shown(p99)),
        met: p99.map(|p99| p99.median < UNRELATED),
        context: format!(
            "p50 {} ms; without the group p99 {} ms; direct p99 {} ms",
            shown(value(Channels, "/latency/p50_ms").map(|p50| p50.median)),
            shown(value(Channels, "/alone/p99_ms").map(|p99| p99.median)),
            shown(value(Direct, "/latency/p99_ms").map(|p99| p99.median)),
        ),
    }
}

/// Lines from what `benches/allocations.rs` says.
pub(super) fn allocations(report: &Value) -> Vec<Row> {
    let rows = report["rows"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_f64().map_or("–".into(), |value| format!("{value:.2}"));
    rows.map(|row| Row {
        work: format!("allocations: {}", row["work"].as_str().unwrap_or("?")),
        goal: row["at_most"].as_f64().map_or("–".into(), |most| format!("≤ {most}")),
        measured: text(&row["allocations"]),
        met: row["at_most"].as_f64().zip(row["allocations"].as_f64()).map(|(most, count)| count <= most + 0.01),
        context: format!("{} B a message", text(&row["bytes"])),
    })
    .collect()
}

/// A number that is watched, not judged.
pub(super) fn watched(work: &str, measured: String) -> Row {
    Row { work: work.into(), goal: "watched".into(), measured, met: None, context: String::new() }
}

pub(super) fn shown(value: Option<impl Shown>) -> String {
    value.map_or("?".into(), |value| value.text())
}

/// A number with as many digits as it is worth.
pub(super) trait Shown {
    fn text(&self) -> String;
}

impl Shown for Spread {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Shown for f64 {
    fn text(&self) -> String {
        format!("{self:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options;
    use serde_json::json;

    fn full(only: &str) -> Options {
        options::parse(&["--only".into(), only.into()]).unwrap().unwrap()
    }

    #[test]
    fn a_goal_is_met_by_the_median() {
        let mut runs = Runs::default();
        for (cycle, rate) in [80.0, 95.0, 92.0].into_iter().enumerate() {
            let report = |rate: f64| json!({ "messages_per_s": rate, "cpu_s_per_million": 1000.0 / rate });
            runs.add(cycle, Channels, Work::Echo, report(rate));
            runs.add(cycle, Direct, Work::Echo, report(100.0));
        }
        let [row] = &rows(&runs, &full("echo"))[..] else { panic!("one row") };
        assert_eq!((row.measured.as_str(), row.met), ("0.92 (0.80–0.95)", Some(true)));
        assert!(row.context.contains("per CPU-second 0.92"), "{}", row.context);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let rows = rows(&Runs::default(), &full("fanout,idle,unrelated,groups"));
        assert!(rows.len() == 7 && rows.iter().all(|row| row.met.is_none()));
    }

    #[test]
    fn memory_that_grows_is_found() {
        let mut runs = Runs::default();
        runs.add(0, Channels, Work::Rounds, json!({ "rss_after_rounds": [10e6, 20e6, 20.1e6, 19e6] }));
        assert_eq!(rounds(&runs).met, Some(true), "what the allocator keeps goes up and down");
        let mut runs = Runs::default();
        runs.add(0, Channels, Work::Rounds, json!({ "rss_after_rounds": [10e6, 20e6, 30e6, 25e6] }));
        assert_eq!(rounds(&runs).met, Some(false));
    }

    #[test]
    fn allocations_are_judged_one_by_one() {
        let report = json!({"rows": [
            {"work": "a sync handler", "allocations": 0.001, "bytes": 0.0, "at_most": 0.0},
            {"work": "an async handler", "allocations": 2.0, "bytes": 300.0, "at_most": 1.0},
            {"work": "a reply", "allocations": 3.0, "bytes": 300.0, "at_most": null},
        ]});
        let met: Vec<_> = allocations(&report).iter().map(|row| row.met).collect();
        assert_eq!(met, [Some(true), Some(false), None]);
    }
}
