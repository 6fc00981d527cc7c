//! What happens between one server and Redis; the other server is undisturbed.

use std::time::Duration;

use channels_tests::redis::{FaultProxy, RedisServer, Way, eventually};
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::crowd::Size;
use crate::report::Report;
use crate::run::{Run, Setting};
use crate::wire::Target;

/// What a slow way takes longer, each way.
const DELAY: Duration = Duration::from_millis(300);

/// Time between two resets.
const AGAIN_AFTER: Duration = Duration::from_millis(700);

/// Redis, and the way of server 0 to it.
struct Way0 {
    redis: RedisServer,
    proxy: FaultProxy,
}

impl Way0 {
    async fn start() -> Self {
        let redis = block_in_place(RedisServer::start);
        let proxy = FaultProxy::start(redis.address()).await;
        Self { redis, proxy }
    }

    fn urls(&self) -> [String; 2] {
        [self.redis.url_at(self.proxy.address()), self.redis.url()]
    }
}

async fn partition(fault: &'static str, setting: &Setting, way: Way) -> Report {
    let ways = Way0::start().await;
    let mut run = Run::start(setting, fault, &ways.urls()).await;
    run.deafens(&[0]);
    run.is_undisturbed(&[1]);
    ways.proxy.blackhole(way);
    sleep(setting.form.seconds(6, 15)).await;
    ways.proxy.pass();
    run.is_back();
    run.finish().await
}

/// Nothing passes, and nobody is told.
pub(super) async fn blackhole(fault: &'static str, setting: &Setting) -> Report {
    partition(fault, setting, Way::Both).await
}

/// What the server sends does not pass.
pub(super) async fn cannot_speak(fault: &'static str, setting: &Setting) -> Report {
    partition(fault, setting, Way::ToServer).await
}

/// What Redis sends does not pass.
pub(super) async fn cannot_hear(fault: &'static str, setting: &Setting) -> Report {
    partition(fault, setting, Way::ToClient).await
}

/// Connections are reset, and new ones too, for a while.
pub(super) async fn refused(fault: &'static str, setting: &Setting) -> Report {
    let ways = Way0::start().await;
    let mut run = Run::start(setting, fault, &ways.urls()).await;
    run.deafens(&[0]);
    run.is_undisturbed(&[1]);
    ways.proxy.refuse();
    ways.proxy.reset();
    sleep(setting.form.seconds(3, 10)).await;
    ways.proxy.pass();
    run.is_back();
    run.finish().await
}

/// Connections are reset again and again, and new ones pass.
pub(super) async fn resets(fault: &'static str, setting: &Setting) -> Report {
    let ways = Way0::start().await;
    let mut run = Run::start(setting, fault, &ways.urls()).await;
    run.begins();
    run.is_undisturbed(&[1]);
    for _ in 0..setting.form.seconds(6, 15).as_secs() {
        ways.proxy.reset();
        sleep(AGAIN_AFTER).await;
    }
    run.is_back();
    run.finish().await
}

/// One way of each connection ends, the other does not.
pub(super) async fn half_closed(fault: &'static str, setting: &Setting) -> Report {
    let ways = Way0::start().await;
    let mut run = Run::start(setting, fault, &ways.urls()).await;
    run.begins();
    run.is_undisturbed(&[1]);
    for way in [Way::ToServer, Way::ToClient] {
        ways.proxy.half_close(way);
        sleep(setting.form.seconds(4, 6)).await;
    }
    run.is_back();
    run.finish().await
}

/// Everything takes longer; nothing is lost.
pub(super) async fn slow(fault: &'static str, setting: &Setting) -> Report {
    let ways = Way0::start().await;
    let mut run = Run::start(setting, fault, &ways.urls()).await;
    run.begins();
    run.is_undisturbed(&[0, 1]);
    run.slows(2 * DELAY);
    ways.proxy.delay(Way::Both, DELAY);
    sleep(setting.form.seconds(5, 15)).await;
    ways.proxy.pass();
    run.is_back();
    run.finish().await
}

/// More waits for one server than Redis keeps, and it is cut off.
pub(super) async fn output_buffer(fault: &'static str, setting: &Setting) -> Report {
    /// Far more than the kernel keeps for a socket.
    const MESSAGES: usize = 100;
    const BYTES: usize = 200_000;
    let ways = Way0::start().await;
    let mut run = Run::start_with(setting, fault, &ways.urls(), Size::default(), &[]).await;
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 512kb 1"];
    block_in_place(|| ways.redis.command(&limit));
    run.begins();
    run.is_undisturbed(&[1]);
    ways.proxy.blackhole(Way::ToClient);
    let victim = run.a_connection_at(0);
    let mut publisher = run.publisher_at(1).await;
    for _ in 0..MESSAGES {
        publisher.publish(Target::Connection(victim.clone()), BYTES).await;
    }
    eventually("Redis cuts it off", || ways.redis.log().contains("overcoming of output buffer limits").then_some(()))
        .await;
    ways.proxy.pass();
    run.is_back();
    let report = run.finish().await;
    drop(publisher);
    report
}
