//! What happens to one Redis.

use channels_tests::redis::RedisServer;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::report::Report;
use crate::run::{Run, Setting};

/// kill -9, and after three seconds it is there again.
pub(super) async fn killed(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let urls = [redis.url(), redis.url()];
    let mut run = Run::start(setting, fault, &urls).await;
    run.deafens(&[0, 1]);
    block_in_place(|| redis.kill_9());
    sleep(setting.form.seconds(3, 3)).await;
    block_in_place(|| redis.restart());
    run.is_back();
    run.finish().await
}
