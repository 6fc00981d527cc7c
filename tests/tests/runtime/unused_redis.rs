//! Who names a Redis and chooses no backend is told that nothing is shared.

use channels::backend::MemoryBackend;
use channels::prelude::*;
use channels_tests::logs::Logs;

const URL: (&str, &str) = ("REDIS_URL", "redis://cache:6379/0");

fn config(vars: &[(&str, &str)]) -> Config {
    Config::builder().vars(vars.iter().copied()).unwrap().build().unwrap()
}

/// The variable that a warning names while this connects.
async fn told(connecting: impl Future<Output = Result<ChannelLayer, channels::Error>>) -> Vec<String> {
    let logs = Logs::listen();
    assert!(connecting.await.is_ok());
    let lines = logs.with("message", "BACKEND_TYPE is not");
    lines.iter().map(|line| line.get("variable").to_owned()).collect()
}

#[tokio::test]
async fn a_layer_in_memory_tells_of_a_redis_that_nobody_chose() {
    assert_eq!(told(ChannelLayer::connect(config(&[URL, ("REDIS_GROUP_EXPIRY", "1m")]))).await, ["REDIS_URL"]);
    let prefix = config(&[("REDIS_CHANNEL_PREFIX", "chat:")]);
    assert_eq!(told(ChannelLayer::connect(prefix)).await, ["REDIS_CHANNEL_PREFIX"]);
    let in_two_layers = Config::builder().vars([URL]).unwrap().vars([("WS_DRAIN_TIMEOUT", "1s")]).unwrap();
    assert_eq!(told(ChannelLayer::connect(in_two_layers.build().unwrap())).await, ["REDIS_URL"]);
}

#[tokio::test]
async fn it_says_nothing_where_memory_was_chosen_or_there_is_no_redis() {
    let chosen = config(&[URL, ("BACKEND_TYPE", "memory")]);
    assert_eq!(told(ChannelLayer::connect(chosen)).await, [""; 0]);
    assert_eq!(told(ChannelLayer::connect(Config::default())).await, [""; 0]);
    // What a backend of one's own does with it is nobody else's business.
    let own = ChannelLayer::builder(config(&[URL])).backend(MemoryBackend::new());
    assert_eq!(told(own.connect()).await, [""; 0]);
}
