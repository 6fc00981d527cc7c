//! The suite takes several servers, and a backend that they share passes it.

use channels::testing::conformance;
use channels_tests::cluster;

#[tokio::test(start_paused = true)]
async fn two_servers_of_one_cluster_keep_the_contract() {
    conformance::check(async || cluster::nodes(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_servers_of_one_cluster_keep_the_contract_on_several_threads() {
    conformance::check(async || cluster::nodes(3)).await;
}
