//! Servers of an application in one process, each with a layer and a probe of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use channels::testing::Client;
use channels::{ChannelLayer, Config, ConfigBuilder};
use channels_tests::probe::{Group, Say, Stage, Text, World};

/// A configuration with names of its own in the Redis of this URL.
pub(crate) fn config(url: &str) -> ConfigBuilder {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("test-{}:", TESTS.fetch_add(1, Ordering::Relaxed));
    Config::builder().backend_type(channels::BackendType::Redis).redis_url(url).redis_channel_prefix(prefix)
}

/// One server.
pub(crate) async fn server(config: &Config) -> Stage {
    Stage::over(World::default(), ChannelLayer::connect(config.clone()).await.unwrap())
}

/// Two that share everything.
pub(crate) async fn two_servers(config: &Config) -> (Stage, Stage) {
    (server(config).await, server(config).await)
}

/// A client that its backend knows: messages are handled only then.
pub(crate) async fn connected(stage: &Stage, user: &str) -> Client {
    let mut client = stage.connect(user).await;
    client.request(0, "quiet", &()).await;
    assert_eq!(client.next_message().await.name, "$ok");
    client
}

/// A client that is a member of a group.
pub(crate) async fn member(stage: &Stage, user: &str, group: &str) -> Client {
    let mut client = stage.connect(user).await;
    client.request(0, "join", &Group { group: group.to_owned() }).await;
    assert_eq!(client.next_message().await.name, "$ok");
    client
}

pub(crate) async fn say(client: &mut Client, group: &str, text: &str) {
    client.send("say", &Say { group: group.to_owned(), text: text.to_owned() }).await;
}

pub(crate) async fn heard(client: &mut Client) -> String {
    client.recv::<Text>().await.text
}
