//! The memory backend keeps the contract, in paused time and on several threads.

use channels::backend::MemoryBackend;
use channels::testing::conformance;

#[tokio::test(start_paused = true)]
async fn the_memory_backend_keeps_the_contract() {
    conformance::check(async || vec![MemoryBackend::new()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_backend_keeps_the_contract_on_several_threads() {
    conformance::check(async || vec![MemoryBackend::new()]).await;
}
