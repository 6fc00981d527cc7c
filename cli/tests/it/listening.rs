//! `listen` prints what is sent, for as long as somebody reads it.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use channels::message::Raw;
use channels::{Config, Emitter};
use channels_tests::redis::{RedisServer, until};
use serde_json::{Value, json};

use crate::command::channels;

struct Listening {
    child: Child,
    output: Option<Lines<BufReader<ChildStdout>>>,
    said: Lines<BufReader<ChildStderr>>,
}

impl Listening {
    /// Starts it, and waits until it hears.
    fn start(redis: &RedisServer, arguments: &[&str]) -> Self {
        let mut command = channels(&redis.url());
        command.arg("listen").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Some(BufReader::new(child.stdout.take().unwrap()).lines());
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut listening = Self { child, output, said };
        assert!(listening.says().contains("listening to"));
        listening
    }

    fn says(&mut self) -> String {
        self.said.next().expect("a line").unwrap()
    }

    fn prints(&mut self) -> Value {
        serde_json::from_str(&self.output.as_mut().unwrap().next().expect("a line").unwrap()).unwrap()
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn ends(&mut self) -> Option<i32> {
        until("it ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn emitter(redis: &RedisServer) -> Emitter {
    Emitter::connect(&Config::builder().redis_url(redis.url()).build().unwrap()).await.unwrap()
}

fn raw(name: &str, data: &str) -> Raw {
    Raw::new(name, data).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_one_line_in_order_until_ctrl_c() {
    let redis = RedisServer::start();
    let emitter = emitter(&redis).await;
    let mut listening = Listening::start(&redis, &["--group", "a", "--group", "b", "--user", "ada", "--all"]);
    for number in 0..3 {
        emitter.send_to_group("a", raw("n", &number.to_string())).await.unwrap();
        assert_eq!(listening.prints(), json!({ "group": "a", "type": "n", "data": number }));
    }
    emitter.send_to_group("c", raw("n", "0")).await.unwrap();
    emitter.send_to_group("b", raw("x", "{\n\"text\": \"a\\nb\"}")).await.unwrap();
    assert_eq!(listening.prints(), json!({ "group": "b", "type": "x", "data": { "text": "a\nb" } }));
    emitter.send_to_user("ada", raw("x", "")).await.unwrap();
    assert_eq!(listening.prints(), json!({ "user": "ada", "type": "x" }));
    emitter.broadcast(raw("x", "[]")).await.unwrap();
    assert_eq!(listening.prints(), json!({ "all": true, "type": "x", "data": [] }));
    listening.signal("INT");
    assert_eq!(listening.ends(), Some(0));
    assert!(listening.said.next().is_none() && listening.output.as_mut().unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_and_its_end_are_told_and_it_goes_on() {
    let redis = RedisServer::start();
    let mut listening = Listening::start(&redis, &["--group", "a"]);
    redis.kill_9();
    let said = listening.says();
    assert!(said.contains("interrupted") && said.contains(&redis.address().to_string()), "{said}");
    redis.restart();
    assert!(listening.says().contains("listening again"));
    emitter(&redis).await.send_to_group("a", raw("x", "1")).await.unwrap();
    assert_eq!(listening.prints(), json!({ "group": "a", "type": "x", "data": 1 }));
    listening.signal("TERM");
    assert_eq!(listening.ends(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_has_seen_enough_ends_it_without_a_word() {
    let redis = RedisServer::start();
    let emitter = emitter(&redis).await;
    let mut listening = Listening::start(&redis, &["--group", "a"]);
    emitter.send_to_group("a", raw("x", "1")).await.unwrap();
    assert_eq!(listening.prints()["data"], 1);
    drop(listening.output.take());
    emitter.send_to_group("a", raw("x", "2")).await.unwrap();
    assert_eq!(listening.ends(), Some(0));
    assert!(listening.said.next().is_none());
}
