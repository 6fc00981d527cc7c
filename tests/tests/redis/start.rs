//! What the person at the keyboard reads where Redis cannot be used.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use channels::{ChannelLayer, Emitter};
use channels_tests::redis::{FaultProxy, RedisServer, Sentinels, Way};

use crate::servers::config;

const PROMISED: Duration = Duration::from_secs(15);

async fn refused(url: &str) -> String {
    let begun = Instant::now();
    let error = ChannelLayer::connect(config(url).build().unwrap()).await.unwrap_err();
    assert!(begun.elapsed() < PROMISED, "{url}: {:?}", begun.elapsed());
    assert!(!error.message().contains("s3cret") && !format!("{error:?}").contains("s3cret"), "{error:?}");
    error.message().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_redis_is_named_at_once() {
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = web.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in web.incoming().flatten() {
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            let _ = std::io::Write::write_all(&mut &stream, answer);
        }
    });
    let words = refused(&format!("redis://:s3cret@{address}")).await;
    assert!(words.contains(&format!("REDIS_URL=redis://***@{address}")), "{words}");
    assert!(words.contains("does not speak the protocol of Redis"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_named_at_once() {
    let redis = RedisServer::options().user("ada", "right").start();
    let begun = Instant::now();
    let words = refused(&format!("redis://ada:s3cret@{}", redis.address())).await;
    assert!(words.contains("WRONGPASS"), "{words}");
    let words = refused(&format!("redis://{}", redis.address())).await;
    assert!(words.contains("NOAUTH"), "{words}");
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for a password to become right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_refused_by_its_name() {
    let redis = Sentinels::start(1);
    let words = refused(&format!("redis://{}", redis.replicas().next().unwrap().address())).await;
    assert!(words.contains("replica"), "{words}");
    let words = refused(&redis.url().replace("/mymaster", "/nobody")).await;
    assert!(words.contains("No such master"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_and_nobody_who_answers_are_named_in_time() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    proxy.blackhole(Way::Both);
    let gone = RedisServer::start();
    let address = gone.address();
    gone.kill_9();
    let silent = format!("redis://:s3cret@{}", proxy.address());
    let closed = format!("redis://:s3cret@{address}");
    let unknown = "redis://:s3cret@no-such-host.invalid:6379";
    let (silent, closed, unknown) = tokio::join!(refused(&silent), refused(&closed), refused(unknown));
    assert!(silent.contains("no answer within") && silent.contains("tries in"), "{silent}");
    assert!(closed.contains("connection refused") && closed.contains("Start Redis there"), "{closed}");
    assert!(unknown.contains("no-such-host.invalid"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_up_late_is_waited_for() {
    let redis = RedisServer::start();
    redis.kill_9();
    let late = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        redis.restart();
    };
    let (layer, ()) = tokio::join!(ChannelLayer::connect(config(&redis.url()).build().unwrap()), late);
    assert!(layer.unwrap().ready().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_refused_without_the_authority() {
    let redis = RedisServer::options().tls().start();
    let words = refused(&redis.tls_url()).await;
    assert!(words.contains("certificate"), "{words}");
    let wrong = config(&redis.tls_url()).redis_tls_ca_file("/nowhere/ca.pem").build().unwrap();
    let error = Emitter::connect(&wrong).await.unwrap_err();
    assert!(error.message().contains("REDIS_TLS_CA_FILE=/nowhere/ca.pem"), "{error}");
}
