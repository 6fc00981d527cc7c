//! The chat under the windows of a test: a process that can be stopped, killed, frozen and started again
//! on the same port and database.

use channels_tests::redis::RedisServer;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::http::post;
use crate::server::{Folder, PATIENCE, chat};

pub struct Chat {
    process: Child,
    // Open, so that what else the chat prints goes somewhere.
    _output: Lines<BufReader<ChildStdout>>,
    pub address: String,
    variables: Vec<(String, String)>,
    // After the process, so that it goes first.
    folder: Folder,
}

impl Chat {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (process, _output, address) = launch(&folder, &variables, "0").await;
        Self { process, _output, address, variables, folder }
    }

    /// Two of them, with one Redis and one database; which is in the folder.
    pub async fn two(redis: &RedisServer) -> (Self, Self, Folder) {
        let folder = Folder::new();
        let (url, path) = (redis.url(), folder.0.join("shared.db"));
        let database = format!("sqlite://{}?mode=rwc", path.display());
        // Redis is away on purpose.
        let variables = [
            ("BACKEND_TYPE", "redis"),
            ("REDIS_URL", url.as_str()),
            ("DATABASE_URL", database.as_str()),
            ("RUST_LOG", "error,channels=off"),
        ];
        let (one, other) = tokio::join!(Self::with(&variables), Self::with(&variables));
        (one, other, folder)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGTERM, and its orderly end.
    pub async fn stop(&mut self) {
        self.signal("TERM").await;
        let status = timeout(PATIENCE, self.process.wait()).await.expect("the chat ends in time").unwrap();
        assert_eq!(status.code(), Some(0));
    }

    /// SIGKILL: nobody is told anything.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Its sockets stay open, and nobody reads them any more.
    pub async fn freeze(&self) {
        self.signal("STOP").await;
    }

    /// As [`Self::start_again`], with one variable more.
    pub async fn start_again_with(&mut self, (name, value): (&str, &str)) {
        self.variables.push((name.into(), value.into()));
        self.start_again().await;
    }

    /// On the same port and database.
    pub async fn start_again(&mut self) {
        let port = self.address.rsplit(':').next().unwrap().to_owned();
        let (process, output, address) = launch(&self.folder, &self.variables, &port).await;
        assert_eq!(address, self.address);
        (self.process, self._output) = (process, output);
    }

    /// As many messages of a bot, by REST, which is outside of the rate limit; as the page shows them.
    pub async fn fill(&self, room: &str, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for number in 1..=count {
            let path = format!("/api/room/{room}/message?user_id=bot&text={number}");
            assert_eq!(post(&self.address, &path).await.status, 200);
            lines.push(format!("bot: {number}"));
        }
        lines
    }

    async fn signal(&self, name: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }
}

async fn launch(
    folder: &Folder,
    variables: &[(String, String)],
    port: &str,
) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut command = chat(folder);
    // What a test provokes on purpose is no news; what goes wrong in the server is.
    command
        .env("PORT", port)
        .env("RUST_LOG", "error")
        .envs(variables.iter().cloned())
        .stderr(std::process::Stdio::inherit());
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("the chat starts in time").unwrap();
    let line = line.expect("the chat prints its address");
    let address = line.strip_prefix("The chat is on http://").expect("its address").to_owned();
    (process, lines, address)
}
