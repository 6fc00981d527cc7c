//! What happens to our own servers.

use std::time::Duration;

use channels_tests::redis::RedisServer;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::two;
use crate::client::Client;
use crate::crowd::Size;
use crate::report::Report;
use crate::run::{Run, Setting};

/// The places of a dead server are free by then: 20 s, a beat of 5 s, and a second to see it.
const FREE_WITHIN: Duration = Duration::from_secs(26);

/// Longer than others believe that a silent server lives.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(27);

/// How many connections a user may have, where there is a limit.
const PER_USER: usize = 3;

/// kill -9 of one of three servers; its places are free within 20 s and a beat.
pub(super) async fn killed(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let urls = [redis.url(), redis.url(), redis.url()];
    let limit = PER_USER.to_string();
    let environment = [("MAX_CONNECTIONS_PER_CLIENT", limit.as_str())];
    let mut run = Run::start_with(setting, fault, &urls, Size::default(), &environment).await;
    run.limits(PER_USER, usize::MAX);
    run.is_undisturbed(&[1, 2]);
    let mut all = Vec::new();
    for _ in 0..PER_USER {
        all.push(Client::open(&run.books, 0, run.address(0), "full").await.unwrap());
    }
    if Client::open(&run.books, 1, run.address(1), "full").await.is_ok() {
        run.complain("L1 no more than may be", || "one too many of a user was let in".to_owned());
    }
    run.end(0, true);
    let free = run.place_within(1, "full", FREE_WITHIN).await;
    if free.is_none() {
        run.complain("L2 free within 25 s", || "the places of a user at the dead server".to_owned());
    }
    run.totals_agree("L2 free within 25 s", FREE_WITHIN).await;
    let report = run.finish().await;
    drop((all, free));
    report
}

/// SIGSTOP of a server until the others have taken it for dead and given its places away, and SIGCONT.
pub(super) async fn paused(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let limit = PER_USER.to_string();
    let environment = [("MAX_CONNECTIONS_PER_CLIENT", limit.as_str())];
    let mut run = Run::start_with(setting, fault, &two(redis.url()), Size::default(), &environment).await;
    // Both have places of the same user for moments; the first gives them up when it wakes.
    run.limits(PER_USER, usize::MAX);
    run.forgets();
    let mut all = Vec::new();
    for _ in 0..PER_USER {
        all.push(Client::open(&run.books, 0, run.address(0), "full").await.unwrap());
    }
    run.pauses(0);
    run.is_undisturbed(&[1]);
    run.server(0).pause();
    let paused = Instant::now();
    for _ in 0..PER_USER {
        all.extend(run.place_within(1, "full", FREE_WITHIN.saturating_sub(paused.elapsed())).await);
    }
    if all.len() < 2 * PER_USER {
        run.complain("L2 free within 25 s", || "the places of a user at a server that stands still".to_owned());
    }
    match run.status(1).await {
        Ok(status) if status.servers == 1 => {}
        other => run.complain("L2 free within 25 s", || format!("beside a server that stands still: {other:?}")),
    }
    sleep(BEYOND_THE_LEASE.saturating_sub(paused.elapsed())).await;
    run.server(0).resume();
    run.is_back();
    let report = run.finish().await;
    drop(all);
    report
}

/// SIGSTOP of a server for a while that nobody takes for death.
pub(super) async fn stalled(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let mut run = Run::start(setting, fault, &two(redis.url())).await;
    run.pauses(0);
    run.is_undisturbed(&[1]);
    run.server(0).pause();
    sleep(setting.form.seconds(5, 12)).await;
    run.server(0).resume();
    run.is_back();
    run.finish().await
}

/// One more server starts, and later goes in good order; nobody notices.
pub(super) async fn come_and_go(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let mut run = Run::start(setting, fault, &two(redis.url())).await;
    run.is_undisturbed(&[0, 1]);
    run.add_server().await;
    sleep(setting.form.seconds(3, 10)).await;
    run.end(2, false);
    run.finish().await
}

/// Redis dies while more connections are asked for than there are places.
pub(super) async fn limits(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(|| RedisServer::options().persistent().start());
    limited(fault, setting, redis, false).await
}

/// The same, and Redis has forgotten who has which places.
pub(super) async fn limits_forgotten(fault: &'static str, setting: &Setting) -> Report {
    limited(fault, setting, block_in_place(RedisServer::start), true).await
}

async fn limited(fault: &'static str, setting: &Setting, redis: RedisServer, forgets: bool) -> Report {
    /// Beside the crowd and its publishers.
    const PLACES: usize = 10;
    let size = Size::default();
    let total = size.connections(2) + PLACES;
    let (per_user, all) = (PER_USER.to_string(), total.to_string());
    let environment = [
        ("MAX_CONNECTIONS_PER_CLIENT", per_user.as_str()),
        ("MAX_TOTAL_CONNECTIONS", all.as_str()),
        ("REDIS_LIMIT_FALLBACK", "refuse"),
    ];
    let mut run = Run::start_with(setting, fault, &two(redis.url()), size, &environment).await;
    run.limits(PER_USER, total);
    if forgets {
        run.forgets();
    }
    let rush = run.rush(["full", "crowded", "popular", "sought"]);
    sleep(setting.form.seconds(2, 4)).await;
    run.deafens(&[0, 1]);
    block_in_place(|| redis.kill_9());
    sleep(setting.form.seconds(3, 10)).await;
    block_in_place(|| redis.restart());
    run.is_back();
    run.recover().await;
    sleep(setting.form.seconds(2, 4)).await;
    let opened = rush.stop().await;
    if opened == 0 {
        run.complain("L1 no more than may be", || "nobody was let in at all".to_owned());
    }
    run.finish().await
}
