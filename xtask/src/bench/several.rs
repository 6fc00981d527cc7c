//! Several servers that share a Redis, beside one in memory; and the way to Redis by itself.

use super::measure::figures;
use super::options::Scale;
use super::redis::Redis;
use super::runs::{Runs, Work};
use super::server::{Bench, Kind, Server};
use crate::Failure;

/// Every part of it.
///
/// # Errors
///
/// If there is no Redis, a server does not start or a run fails.
pub(super) fn all(bench: &Bench, scale: &Scale, runs: &mut Runs) -> Result<(), Failure> {
    // On a Redis of its own: servers that were killed leave something that others clean up.
    rest(bench, &Redis::start(bench)?, scale, runs)?;
    let redis = Redis::start(bench)?;
    fan_out(bench, &redis, scale, runs)?;
    link(bench, &redis, scale, runs)
}

/// Half of the members on each of two servers, and all of them on one in memory, in turns.
fn fan_out(bench: &Bench, redis: &Redis, scale: &Scale, runs: &mut Runs) -> Result<(), Failure> {
    let one = vec![bench.start(Kind::InMemory, 1)?];
    let two = (0..2).map(|_| bench.start_with(Kind::Two, 1, Some(redis))).collect::<Result<Vec<_>, _>>()?;
    let mut turns = [one, two];
    for cycle in 0..scale.cycles {
        println!("cycle {} of {}", cycle + 1, scale.cycles);
        for (work, window) in [(Work::Fanout1, 1), (Work::Fanout8, 8)] {
            for servers in &turns {
                take_turn(bench, servers, redis, (work, window), cycle, scale, runs)?;
            }
        }
        turns.rotate_left(1);
    }
    Ok(())
}

fn take_turn(
    bench: &Bench,
    servers: &[Server],
    redis: &Redis,
    (work, window): (Work, u32),
    cycle: usize,
    scale: &Scale,
    runs: &mut Runs,
) -> Result<(), Failure> {
    let kind = if servers.len() == 1 { Kind::InMemory } else { Kind::Two };
    let mut options = vec![
        ("--duration", scale.duration.to_string()),
        ("--warmup", scale.warmup.to_string()),
        ("--clients", scale.members.to_string()),
        ("--window", window.to_string()),
    ];
    if kind == Kind::Two {
        options.push(("--redis-pid", redis.pid().to_string()));
    }
    let report = bench.load_all(servers, "fanout", &options)?;
    println!("  {:38} {:9} {}", work.name(), kind.name(), figures(&report, work));
    runs.add(cycle, kind, work, report);
    Ok(())
}

/// What Redis does while nothing happens, without connections and with them.
fn rest(bench: &Bench, redis: &Redis, scale: &Scale, runs: &mut Runs) -> Result<(), Failure> {
    let options = [
        ("--from", (scale.members / 2).to_string()),
        ("--clients", scale.members.to_string()),
        ("--settle", scale.settle.to_string()),
        ("--hold", scale.resting.to_string()),
        ("--redis-url", redis.url()),
    ];
    let report = bench.load(&bench.start_with(Kind::Two, 1, Some(redis))?, "idle", &options)?;
    println!("{:40} {:9} {} commands", Work::Resting.name(), Kind::Two.name(), report["redis_commands"]);
    runs.add(0, Kind::Two, Work::Resting, report);
    Ok(())
}

/// Publishing, hearing and subscribing anew, without connections.
fn link(bench: &Bench, redis: &Redis, scale: &Scale, runs: &mut Runs) -> Result<(), Failure> {
    let rounds = ("--rounds", scale.cycles.to_string());
    let seconds = ("--seconds", scale.link.to_string());
    let in_flight = |count: u32| vec![rounds.clone(), seconds.clone(), ("--in-flight", count.to_string())];
    let again = vec![rounds.clone(), ("--topics", scale.topics.to_string())];
    for (work, what, options) in [
        (Work::Publish1, "publish", in_flight(1)),
        (Work::Publish8, "publish", in_flight(8)),
        (Work::Publish64, "publish", in_flight(64)),
        (Work::Hear, "receive", vec![rounds.clone(), seconds.clone()]),
        (Work::Again, "resubscribe", again),
    ] {
        let report = bench.link(what, redis, &options)?;
        let told = if work == Work::Again { &report["again"] } else { &report["ratio"] };
        println!("{:40} {:9} {told}", work.name(), "link");
        runs.add(0, Kind::Two, work, report);
    }
    Ok(())
}
