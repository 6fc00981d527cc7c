//! The binary, and servers for it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use channels::testing::Client;
use channels::{BackendType, ChannelLayer, Config};
use channels_tests::probe::{Stage, World};
use channels_tests::redis::RedisServer;
use serde_json::{Value, json};

/// A command that knows nothing of the environment of the tests.
pub fn channels(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_channels"));
    command.env_clear().env("REDIS_URL", url).current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command
}

/// Its code, output and error output.
pub fn read(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

pub fn run(url: &str, arguments: &[&str]) -> (i32, String, String) {
    read(&channels(url).args(arguments).output().unwrap())
}

pub fn run_with_input(url: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = channels(url)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    read(&child.wait_with_output().unwrap())
}

/// A server of the application.
pub async fn server(redis: &RedisServer) -> Stage {
    named_server(redis, "server").await
}

pub async fn named_server(redis: &RedisServer, name: &str) -> Stage {
    let config = Config::builder().backend_type(BackendType::Redis).redis_url(redis.url()).server_instance_id(name);
    let config = config.build().unwrap();
    Stage::over(World::default(), ChannelLayer::connect(config).await.unwrap())
}

/// A member of a group, for sure.
pub async fn member(stage: &Stage, user: &str, group: &str) -> Client {
    let mut client = stage.connect(user).await;
    client.request("join", "join", &json!({ "group": group })).await;
    assert_eq!(client.next_message().await.name, "$ok");
    client
}

/// The next message: its name and data.
pub async fn received(client: &mut Client) -> (String, Value) {
    let received = client.next_message().await;
    (received.name.to_string(), received.data)
}
