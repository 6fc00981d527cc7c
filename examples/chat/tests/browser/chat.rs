//! The chat under the windows of a test: a process that can be stopped, killed, frozen and started again
//! on the same port and database.

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
    // After the process, so that it goes first.
    folder: Folder,
}

impl Chat {
    pub async fn start() -> Self {
        let folder = Folder::new();
        let (process, _output, address) = launch(&folder, "0").await;
        Self { process, _output, address, folder }
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

    /// On the same port and database.
    pub async fn start_again(&mut self) {
        let port = self.address.rsplit(':').next().unwrap().to_owned();
        let (process, output, address) = launch(&self.folder, &port).await;
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

async fn launch(folder: &Folder, port: &str) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut command = chat(folder);
    // What a test provokes on purpose is no news; what goes wrong in the server is.
    command.env("PORT", port).env("RUST_LOG", "error").stderr(std::process::Stdio::inherit());
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("the chat starts in time").unwrap();
    let line = line.expect("the chat prints its address");
    let address = line.strip_prefix("The chat is on http://").expect("its address").to_owned();
    (process, lines, address)
}
