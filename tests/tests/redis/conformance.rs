//! The contract of a backend, kept over a real Redis.

use std::sync::atomic::{AtomicU32, Ordering};

use channels::Config;
use channels::backend::RedisBackend;
use channels::testing::conformance;
use channels_tests::redis::{RedisCluster, RedisServer, Sentinels};

/// The nodes of a new cluster: each check has names of its own.
fn nodes(url: &str, count: usize) -> Vec<RedisBackend> {
    nodes_with(url, "", count)
}

fn nodes_with(url: &str, ca_file: &str, count: usize) -> Vec<RedisBackend> {
    static CHECKS: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("check-{}:", CHECKS.fetch_add(1, Ordering::Relaxed));
    let config =
        Config::builder().redis_url(url).redis_channel_prefix(prefix).redis_tls_ca_file(ca_file).build().unwrap();
    (0..count).map(|_| RedisBackend::new(&config)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_keeps_the_contract() {
    let redis = RedisServer::start();
    conformance::check(async || nodes(&redis.url(), 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_keep_the_contract() {
    let redis = RedisServer::start();
    conformance::check(async || nodes(&redis.url(), 3)).await;
}

#[tokio::test]
async fn two_servers_keep_the_contract_on_one_thread() {
    let redis = RedisServer::start();
    conformance::check(async || nodes(&redis.url(), 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_keep_the_contract_with_a_cluster() {
    let redis = RedisCluster::start();
    conformance::check(async || nodes(&redis.url(), 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_keep_the_contract_with_sentinels() {
    let redis = Sentinels::start(1);
    conformance::check(async || nodes(&redis.url(), 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_keep_the_contract_over_a_unix_socket_with_a_password_and_a_database() {
    let redis = RedisServer::options().unix_socket().user("ada", "s3cr@t /?").start();
    let url = format!("{}&db=3", redis.unix_url());
    conformance::check(async || nodes(&url, 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_keep_the_contract_over_tls() {
    let redis = RedisServer::options().tls().start();
    let ca_file = redis.ca_file().to_str().unwrap();
    conformance::check(async || nodes_with(&redis.tls_url(), ca_file, 2)).await;
}
