//! Waiting for what others do, in the paused time of a test.

use std::time::Duration;

/// Until it is so; a test in which it never is, fails.
pub async fn until(done: impl Fn() -> bool) {
    let done = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(300), done).await.is_ok(), "it never happened");
}
