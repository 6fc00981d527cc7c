//! Two chats, one Redis, one database, and what is between them.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use channels_tests::redis::{FaultProxy, RedisServer};
use serde_json::Value;

use crate::http::get;
use crate::server::{Folder, PATIENCE, Server};

/// Within this the loss of Redis and its return are noticed, and everything is answered.
pub const NOTICED: Duration = Duration::from_secs(5);

pub struct Pair {
    pub one: Server,
    pub other: Server,
    pub redis: RedisServer,
    /// Between Redis and both.
    pub proxy: FaultProxy,
    _folder: Folder,
}

impl Pair {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let redis = RedisServer::start();
        let proxy = FaultProxy::start(redis.address()).await;
        let folder = Folder::new();
        let url = redis.url_at(proxy.address());
        let database = format!("sqlite://{}?mode=rwc", folder.0.join("shared.db").display());
        let mut all = vec![
            ("BACKEND_TYPE", "redis"),
            ("REDIS_URL", url.as_str()),
            ("DATABASE_URL", database.as_str()),
            // What a test provokes on purpose is no news.
            ("RUST_LOG", "error,channels=off"),
        ];
        all.extend_from_slice(variables);
        let (one, other) = tokio::join!(Server::start_in(&folder, &all), Server::start_in(&folder, &all));
        Self { one, other, redis, proxy, _folder: folder }
    }

    pub fn both(&self) -> [&Server; 2] {
        [&self.one, &self.other]
    }

    /// Both are ready or not, within the time that is promised; `since` is when it began.
    pub async fn readiness_is(&self, status: u16, since: Instant) {
        for server in self.both() {
            eventually("readiness", async || get(&server.address, "/readyz").await.status, |is| *is == status).await;
        }
        assert!(since.elapsed() < NOTICED, "{status} after {:?}", since.elapsed());
    }
}

/// What a server says of itself and of all.
pub async fn status(server: &Server) -> Value {
    get(&server.address, "/api/status").await.json()
}

/// Asks until the answer is the wanted one.
pub async fn eventually<T: Debug>(what: &str, ask: impl AsyncFn() -> T, is_it: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if is_it(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
