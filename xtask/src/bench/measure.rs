//! The runs themselves.

use serde_json::Value;

use super::options::{Options, Part, Scale};
use super::runs::{Runs, Work};
use super::server::{Bench, Kind, Server};
use super::several;
use crate::Failure;

/// The servers whose groups are looked at; axum's `ws` would tell nothing new.
const IN_GROUPS: [Kind; 2] = [Kind::Channels, Kind::Direct];
/// Cycles of what takes long.
const LONG_CYCLES: usize = 3;

/// Everything that needs servers.
///
/// # Errors
///
/// If a server does not start or a run fails.
pub(super) fn all(bench: &Bench, options: &Options) -> Result<Runs, Failure> {
    let mut runs = Runs::default();
    let wants = |part| options.parts.contains(&part);
    paired(bench, options, &mut runs)?;
    if wants(Part::Idle) {
        idle(bench, &options.scale, &mut runs)?;
    }
    if wants(Part::Unrelated) {
        unrelated(bench, &options.scale, &mut runs)?;
    }
    if wants(Part::Servers) {
        several::all(bench, &options.scale, &mut runs)?;
    }
    Ok(runs)
}

/// What is compared within cycles: all servers stay up and take turns, each cycle beginning with another one.
fn paired(bench: &Bench, options: &Options, runs: &mut Runs) -> Result<(), Failure> {
    let wants = |part| options.parts.contains(&part);
    let scale = &options.scale;
    let mut works = Vec::new();
    if wants(Part::Fanout) || wants(Part::Groups) {
        // Groups are compared with the one large group of the same cycle.
        works.push(Work::Fanout1);
    }
    if wants(Part::Fanout) {
        works.push(Work::Fanout8);
    }
    if wants(Part::Echo) {
        works.push(Work::Echo);
    }
    if wants(Part::Connect) {
        works.push(Work::Connect);
    }
    if works.is_empty() {
        return Ok(());
    }
    let start = |kinds: &[Kind], groups| -> Result<Vec<Server>, Failure> {
        kinds.iter().map(|kind| bench.start(*kind, groups)).collect()
    };
    let mut servers = start(&Kind::ALL, 1)?;
    let mut grouped = if wants(Part::Groups) { start(&IN_GROUPS, scale.groups)? } else { Vec::new() };
    for cycle in 0..scale.cycles {
        println!("cycle {} of {}", cycle + 1, scale.cycles);
        for work in &works {
            take_turns(bench, &servers, *work, cycle, scale, runs)?;
        }
        if !grouped.is_empty() {
            // How much of what small groups cost is the number of sockets alone.
            let large = servers.iter().filter(|server| IN_GROUPS.contains(&server.kind));
            take_turns(bench, large, Work::FanoutWhole, cycle, scale, runs)?;
        }
        for work in [Work::Groups, Work::Churn] {
            take_turns(bench, &grouped, work, cycle, scale, runs)?;
        }
        servers.rotate_left(1);
        if !grouped.is_empty() {
            grouped.rotate_left(1);
        }
    }
    Ok(())
}

fn take_turns<'a>(
    bench: &Bench,
    servers: impl IntoIterator<Item = &'a Server>,
    work: Work,
    cycle: usize,
    scale: &Scale,
    runs: &mut Runs,
) -> Result<(), Failure> {
    for server in servers {
        let report = one(bench, server, work, scale)?;
        println!("  {:38} {:9} {}", work.name(), server.kind.name(), figures(&report, work));
        runs.add(cycle, server.kind, work, report);
    }
    Ok(())
}

fn one(bench: &Bench, server: &Server, work: Work, scale: &Scale) -> Result<Value, Failure> {
    let number = |name, value: u32| (name, value.to_string());
    let mut arguments = vec![("--duration", scale.duration.to_string()), ("--warmup", scale.warmup.to_string())];
    let what = match work {
        Work::Fanout1 => {
            arguments.push(number("--clients", scale.members));
            "fanout"
        }
        Work::Fanout8 => {
            arguments.extend([number("--clients", scale.members), number("--window", 8)]);
            "fanout"
        }
        Work::FanoutWhole => {
            arguments.push(number("--clients", scale.groups * 10));
            "fanout"
        }
        Work::Echo => {
            arguments.push(number("--clients", scale.echoing));
            "echo"
        }
        Work::Connect => {
            arguments.push(number("--clients", scale.connecting));
            "connect"
        }
        Work::Groups | Work::Churn => {
            arguments.extend([number("--clients", scale.groups * 10), number("--groups", scale.groups)]);
            // As many deliveries on their way as with the large group.
            arguments.push(number("--window", (scale.members / 10).max(1)));
            if work == Work::Churn {
                arguments.push(("--churn", String::new()));
            }
            "groups"
        }
        _ => return Err("is not measured in cycles".into()),
    };
    bench.load(server, what, &arguments)
}

/// In new processes: what a server has allocated before would still be there, and be used again.
fn idle(bench: &Bench, scale: &Scale, runs: &mut Runs) -> Result<(), Failure> {
    for kind in Kind::ALL {
        let (from, to) = if kind == Kind::AxumWs { scale.idle_axum_ws } else { scale.idle };
        let arguments = [
            ("--from", from.to_string()),
            ("--clients", to.to_string()),
            ("--settle", scale.settle.to_string()),
            ("--hold", scale.settle.to_string()),
        ];
        let report = bench.load(&bench.start(kind, 1)?, "idle", &arguments)?;
        println!("{:40} {:9} {} bytes a connection", "idle", kind.name(), report["bytes_a_connection"]);
        runs.add(0, kind, Work::Idle, report);
    }
    let (from, to) = scale.idle;
    let arguments = [
        ("--from", from.to_string()),
        ("--clients", to.to_string()),
        ("--settle", (scale.settle / 2.0).to_string()),
        ("--hold", "0".to_owned()),
        ("--rounds", scale.rounds.to_string()),
    ];
    let report = bench.load(&bench.start(Kind::Channels, 1)?, "idle", &arguments)?;
    println!("{:40} {:9} {}", "memory after each round", Kind::Channels.name(), report["rss_after_rounds"]);
    runs.add(0, Kind::Channels, Work::Rounds, report);
    Ok(())
}

fn unrelated(bench: &Bench, scale: &Scale, runs: &mut Runs) -> Result<(), Failure> {
    let arguments = [
        ("--clients", scale.crowd.to_string()),
        ("--duration", scale.unrelated.to_string()),
        ("--warmup", scale.settle.to_string()),
    ];
    for cycle in 0..scale.cycles.min(LONG_CYCLES) {
        for kind in IN_GROUPS {
            let report = bench.load(&bench.start(kind, 1)?, "unrelated", &arguments)?;
            println!("{:40} {:9} {}", "unrelated echo", kind.name(), report["latency"]);
            runs.add(cycle, kind, Work::Unrelated, report);
        }
    }
    Ok(())
}

/// What a run says in short.
pub(super) fn figures(report: &Value, work: Work) -> String {
    let number = |member: &str| report.pointer(member).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let busy = match report["server_busy"].as_f64() {
        Some(busy) => format!(", server busy {busy:.2}"),
        None => String::new(),
    };
    format!("{:>9.0}/s, cost {:7.3}{busy}", number(work.rate()), number(work.cost()))
}
