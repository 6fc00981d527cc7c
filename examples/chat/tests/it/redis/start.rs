//! A Redis that cannot be used ends the chat within 15 s, with one message that tells what to do and no secret.

use std::time::{Duration, Instant};

use channels_tests::redis::{FaultProxy, RedisServer, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::http::get;
use crate::server::{Folder, PATIENCE, chat, fails};

const SECRET: &str = "correct-horse-battery";
/// From the start to the end.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// The chat ends as it should, and its message has these words.
async fn ends(url: &str, words: &[&str]) {
    let run = async |level| {
        let began = Instant::now();
        let (code, said) = fails(&[("BACKEND_TYPE", "redis"), ("REDIS_URL", url), ("LOG_LEVEL", level)]).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(began.elapsed() < ENDS_WITHIN, "after {:?}: {said}", began.elapsed());
        assert!(!said.contains(SECRET), "{said}");
        said
    };
    let (said, _) = tokio::join!(run("info"), run("trace"));
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in ["REDIS_URL=redis://", "BACKEND_TYPE=memory"].iter().chain(words) {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_there() {
    let redis = RedisServer::start();
    redis.kill_9();
    let address = redis.address().to_string();
    ends(&format!("redis://ada:{SECRET}@{address}/0"), &[&address, "***@", "refused", "tries", "Start Redis"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_there() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    proxy.blackhole(Way::Both);
    let address = proxy.address().to_string();
    ends(&format!("redis://ada:{SECRET}@{address}"), &[&address, "no answer within 2 s", "tries"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_no_redis() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 16];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    };
    tokio::spawn(serve);
    ends(&format!("redis://ada:{SECRET}@{address}"), &[&address, "does not speak the protocol of Redis"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_wrong() {
    let redis = RedisServer::options().user("ada", "another").start();
    let address = redis.address().to_string();
    ends(&format!("redis://ada:{SECRET}@{address}"), &[&address, "WRONGPASS", "redis://user:password@"]).await;
    ends(&format!("redis://{address}"), &[&address, "NOAUTH", "redis://user:password@"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_may_not_do_what_is_needed() {
    let redis = RedisServer::start();
    for (user, denied) in [("deaf", "-subscribe"), ("mute", "-evalsha")] {
        redis.command(&["ACL", "SETUSER", user, "on", &format!(">{SECRET}"), "~*", "&*", "+@all", denied]);
        ends(&format!("redis://{user}:{SECRET}@{}", redis.address()), &["NOPERM", &denied[1..], "ACL"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_a_replica() {
    let master = RedisServer::start();
    let replica = RedisServer::start();
    let port = master.address().port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]);
    let address = replica.address().to_string();
    ends(&replica.url(), &[&address, "replica", "redis+sentinel://"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_no_such_host() {
    ends(&format!("redis://:{SECRET}@no-such-host.invalid:6379/2"), &["no-such-host.invalid:6379"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_never_told_while_it_works_or_is_away() {
    let redis = RedisServer::options().user("ada", SECRET).start();
    let folder = Folder::new();
    let mut command = chat(&folder);
    command.env("BACKEND_TYPE", "redis").env("REDIS_URL", redis.url()).env("LOG_LEVEL", "trace");
    let mut child = command.spawn().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let address = line.strip_prefix("The chat is on http://").unwrap().to_owned();
    let mut stderr = child.stderr.take().unwrap();
    let log = tokio::spawn(async move {
        let mut log = String::new();
        stderr.read_to_string(&mut log).await.unwrap();
        log
    });
    let mut ada = crate::client::Client::connect(&address, "ada").await;
    ada.join("rust").await;
    redis.kill_9();
    super::pair::eventually("red", async || get(&address, "/readyz").await.status, |is| *is == 503).await;
    let refused = get(&address, "/readyz").await.text();
    ada.close().await;
    let id = child.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").arg(id).status().await.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    let log = log.await.unwrap();
    assert!(log.contains("DEBUG") && log.contains("interrupted"), "{log}");
    assert!(!log.contains(SECRET) && !refused.contains(SECRET), "{log}\n{refused}");
}
