//! What a connection costs that does nothing, and what it costs to connect.

use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::costs::Costs;
use super::crowd::Crowd;
use super::latency::round;
use super::options::Options;
use crate::process::{self, Usage};
use crate::{Failure, link};

const AT_ONCE: usize = 1024;

/// Memory a connection, from the slope between two numbers of connections.
///
/// # Errors
///
/// As [`Crowd::open`], and if no server was named or it has gone.
pub(super) fn run(options: &Options) -> Result<Value, Failure> {
    let server = *options.servers.first().ok_or("`idle` needs --server-pid")?;
    let mut crowd = Crowd::new(AT_ONCE)?;
    let mut rounds = Vec::new();
    let mut report = Value::Null;
    for round in 0..options.rounds {
        if round > 0 {
            crowd.leave()?;
            crowd.rest(options.settle)?;
            rounds.push(process::rss(server)?);
        }
        let look = look(&mut crowd, options, server)?;
        if round == 0 {
            report = look;
        }
    }
    report["gone"] = crowd.gone().into();
    if options.rounds > 1 {
        crowd.leave()?;
        crowd.rest(options.settle)?;
        rounds.push(process::rss(server)?);
    } else if options.profile {
        let pid = i32::try_from(server).ok().and_then(Pid::from_raw).ok_or("--server-pid is no process")?;
        // It looks at what these connections hold, and ends.
        kill_process(pid, Signal::USR1)?;
        crowd.rest(options.settle)?;
    }
    report["rss_after_rounds"] = rounds.into();
    Ok(report)
}

/// Opens everybody in two steps and compares.
fn look(crowd: &mut Crowd, options: &Options, server: u32) -> Result<Value, Failure> {
    let without = commands(crowd, options)?;
    let start = Usage::of(server)?;
    let mut opening = crowd.open(options.target(), options.from)?;
    crowd.rest(options.settle)?;
    let first = Usage::of(server)?;
    opening += crowd.open(options.target(), options.clients - options.from)?;
    crowd.rest(options.settle)?;
    let second = Usage::of(server)?;
    let watched = Instant::now();
    let with = commands(crowd, options)?;
    let resting = process::cpu(server)? - second.cpu;
    let more = (options.clients - options.from) as f64;
    Ok(json!({
        "what": "idle",
        "clients": crowd.len(),
        "bytes_a_connection": ((second.rss as f64 - first.rss as f64) / more).round(),
        "rss_empty": start.rss,
        "rss_full": second.rss,
        "connects_per_s": (options.clients as f64 / opening.as_secs_f64()).round(),
        "cpu_s_per_1000_connects": round((second.cpu - start.cpu) / (options.clients as f64 / 1e3)),
        "redis_commands": without.zip(with).map(|(without, with)| [without, with]),
        "cpu_share_while_idle": round(resting / watched.elapsed().as_secs_f64()),
    }))
}

/// Lets them be for a while; how many commands Redis carried out in it, if one is named: those for counts, and others.
fn commands(crowd: &mut Crowd, options: &Options) -> Result<Option<[u64; 2]>, Failure> {
    let Some(url) = &options.redis_url else {
        if crowd.len() > 0 {
            crowd.rest(options.hold)?;
        }
        return Ok(None);
    };
    let address = link::ask::address(url)?;
    let before = link::ask::commands(address)?;
    crowd.rest(options.hold)?;
    let after = link::ask::commands(address)?;
    // The question before is one of them.
    Ok(Some([after.counts - before.counts, after.others - before.others - 1]))
}

/// Connections a second.
///
/// # Errors
///
/// As [`Crowd::open`], and if the server has gone.
pub(super) fn connect(options: &Options) -> Result<Value, Failure> {
    let mut crowd = Crowd::new(AT_ONCE)?;
    let before = Costs::now(options)?;
    let opening = crowd.open(options.target(), options.clients)?;
    let cpu = Costs::now(options)?.since(&before).servers();
    let thousands = options.clients as f64 / 1e3;
    crowd.rest(options.settle)?;
    Ok(json!({
        "what": "connect",
        "clients": options.clients,
        "connects_per_s": (options.clients as f64 / opening.as_secs_f64()).round(),
        "cpu_s_per_1000_connects": cpu.map(|cpu| round(cpu / thousands)),
        "gone": crowd.gone(),
    }))
}
