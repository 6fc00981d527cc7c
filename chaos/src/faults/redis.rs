//! What happens to one Redis.

use std::time::Duration;

use channels_tests::redis::RedisServer;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::two;
use crate::report::Report;
use crate::run::{Run, Setting};

/// Two reconnects lie so close together.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

async fn kill(fault: &'static str, setting: &Setting, redis: RedisServer, lasts: Duration) -> Report {
    let mut run = Run::start(setting, fault, &two(redis.url())).await;
    run.deafens(&[0, 1]);
    block_in_place(|| redis.kill_9());
    sleep(lasts).await;
    block_in_place(|| redis.restart());
    run.is_back();
    run.finish().await
}

/// kill -9, and after three seconds it is there again, with all that it had answered.
pub(super) async fn killed(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(|| RedisServer::options().persistent().start());
    kill(fault, setting, redis, setting.form.seconds(3, 3)).await
}

/// The same for long.
pub(super) async fn killed_for_long(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(|| RedisServer::options().persistent().start());
    kill(fault, setting, redis, setting.form.seconds(8, 30)).await
}

/// kill -9, and what comes back has forgotten everything.
pub(super) async fn back_empty(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    kill(fault, setting, redis, setting.form.seconds(1, 3)).await
}

/// SIGSTOP: its sockets stay open and it says nothing.
pub(super) async fn stalled(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let mut run = Run::start(setting, fault, &two(redis.url())).await;
    run.deafens(&[0, 1]);
    block_in_place(|| redis.stop_signal());
    sleep(setting.form.seconds(5, 15)).await;
    block_in_place(|| redis.continue_signal());
    run.is_back();
    run.finish().await
}

/// All connections are killed twice, before anybody can have settled.
pub(super) async fn reconnects_twice(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let mut run = Run::start(setting, fault, &two(redis.url())).await;
    run.begins();
    for _ in 0..2 {
        for kind in ["pubsub", "normal"] {
            block_in_place(|| redis.command(&["CLIENT", "KILL", "TYPE", kind]));
        }
        sleep(AGAIN_AFTER).await;
    }
    run.is_back();
    run.finish().await
}

/// All scripts are forgotten, several times.
pub(super) async fn scripts_flushed(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let mut run = Run::start(setting, fault, &two(redis.url())).await;
    run.begins();
    run.is_undisturbed(&[0, 1]);
    for _ in 0..setting.form.seconds(6, 20).as_secs() * 2 {
        block_in_place(|| redis.command(&["SCRIPT", "FLUSH"]));
        sleep(Duration::from_millis(500)).await;
    }
    run.is_back();
    run.finish().await
}

/// Writes are refused, as there is no memory left, and later there is.
pub(super) async fn memory_full(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(|| RedisServer::options().config("maxmemory-policy", "noeviction").start());
    let mut run = Run::start(setting, fault, &two(redis.url())).await;
    run.begins();
    run.is_undisturbed(&[0, 1]);
    block_in_place(|| redis.command(&["CONFIG", "SET", "maxmemory", "1"]));
    sleep(setting.form.seconds(3, 10)).await;
    // What goes while nothing can be written has to be gone afterwards.
    run.members_change().await;
    sleep(setting.form.seconds(3, 10)).await;
    block_in_place(|| redis.command(&["CONFIG", "SET", "maxmemory", "0"]));
    run.is_back();
    run.finish().await
}
