//! A password is never logged or told, whatever a server says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use channels::{ChannelLayer, Emitter};
use channels_tests::logs::Logs;
use channels_tests::redis::{RedisServer, eventually};

use crate::servers::{config, server};

const PASSWORD: &str = "s3cret-of-the-house";

/// What servers have said that repeat what they were told: one from before 6, and one that nobody knows.
const REPEATING: [&str; 2] = [
    "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `ada`, `s3cret-of-the-house`, \r\n",
    "-ERR you cannot be 'ada' with 's3cret-of-the-house'\r\n",
];

/// Answers every first command with these lines in turn, until it is dropped.
struct Parrot {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Parrot {
    fn start(address: &str, lines: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let mut lines = lines.iter().cycle();
            for mut stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // The answer may come before the question has been read whole: there is one only.
                if stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(lines.next().unwrap().as_bytes());
                }
            }
        });
        Self { address, ends, thread: Some(thread) }
    }
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(self.address);
        self.thread.take().map(JoinHandle::join);
    }
}

fn is_clean(text: &str) {
    assert!(!text.contains("s3cret") && !text.contains("ada"), "{text}");
}

fn logged(logs: &Logs) -> usize {
    let lines = logs.lines();
    lines.iter().for_each(|line| is_clean(&format!("{line:?}")));
    lines.len()
}

#[tokio::test]
async fn a_redis_without_hello_is_told_without_the_password_that_it_repeats() {
    let redis = RedisServer::options().user("ada", PASSWORD).config("rename-command", "HELLO \"\"").start();
    let logs = Logs::listen();
    let config = config(&redis.url()).build().unwrap();
    let errors =
        [ChannelLayer::connect(config.clone()).await.unwrap_err(), Emitter::connect(&config).await.unwrap_err()];
    for error in errors {
        assert!(error.message().contains("Redis 6 or later is needed"), "{error}");
        is_clean(&format!("{error} {error:?}"));
    }
    logged(&logs);
}

#[tokio::test]
async fn what_a_sentinel_repeats_is_not_told() {
    for lines in [&REPEATING[..1], &REPEATING[1..]] {
        let parrot = Parrot::start("127.0.0.1:0", lines);
        let logs = Logs::listen();
        let query = format!("sentinel_username=ada&sentinel_password={PASSWORD}");
        let url = format!("redis+sentinel://{}/main?{query}", parrot.address);
        let error = ChannelLayer::connect(config(&url).build().unwrap()).await.unwrap_err();
        assert!(error.message().contains("HELLO") || error.message().contains("it said: ERR ***"), "{error}");
        is_clean(&format!("{error} {error:?}"));
        logged(&logs);
    }
}

/// `/readyz` tells this to anybody.
#[tokio::test]
async fn a_redis_that_comes_back_as_another_one_is_told_by_ready_without_the_password() {
    let redis = RedisServer::options().user("ada", PASSWORD).start();
    let logs = Logs::listen();
    let stage = server(&config(&redis.url()).build().unwrap()).await;
    redis.kill_9();
    let _parrot = Parrot::start(&redis.address().to_string(), &REPEATING);
    for words in ["Redis 6 or later is needed", "it said: ERR ***"] {
        let error =
            eventually(words, || stage.layer.ready().err().filter(|error| error.message().contains(words))).await;
        is_clean(&format!("{error} {error:?}"));
    }
    is_clean(&format!("{:?}", stage.layer.health()));
    assert!(logged(&logs) > 0, "its dials are logged");
}
