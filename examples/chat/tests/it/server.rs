//! A chat as a process of its own, on a free port and a database of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::client::Client;

/// How long a start, an answer or an end may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that is gone when its test is.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("chat-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// What [`Server::logging`] writes.
    pub fn log(&self) -> PathBuf {
        self.0.join("chat.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command of the chat that knows nothing of the environment of the tests.
pub fn chat(folder: &Folder) -> Command {
    of_the_tests(Command::new(env!("CARGO_BIN_EXE_chat")), folder)
}

/// The same that may have so many files open, sockets included.
pub fn chat_with_files(files: usize, folder: &Folder) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\""), env!("CARGO_BIN_EXE_chat")]);
    of_the_tests(shell, folder)
}

fn of_the_tests(mut command: Command, folder: &Folder) -> Command {
    command.env_clear().current_dir(&folder.0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("PORT", "0").env("WS_RECONNECT_DELAY", "200ms").kill_on_drop(true);
    command
}

pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    pub async fn start() -> (Self, Folder) {
        let folder = Folder::new();
        (Self::start_in(&folder, &[]).await, folder)
    }

    pub async fn with(variables: &[(&str, &str)]) -> (Self, Folder) {
        let folder = Folder::new();
        (Self::start_in(&folder, variables).await, folder)
    }

    pub async fn start_in(folder: &Folder, variables: &[(&str, &str)]) -> Self {
        Self::running(chat(folder).envs(variables.iter().copied()).stderr(Stdio::inherit())).await
    }

    /// With its log in a file of the folder.
    pub async fn logging(command: &mut Command, folder: &Folder) -> Self {
        Self::running(command.stderr(std::fs::File::create(folder.log()).unwrap())).await
    }

    async fn running(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("the chat starts in time").unwrap();
        let line = line.expect("the chat prints its address");
        let address = line.strip_prefix("The chat is on http://").expect("its address").to_owned();
        Self { child, address }
    }

    pub async fn connect(&self, user: &str) -> Client {
        Client::connect(&self.address, user).await
    }

    /// SIGTERM, and the exit code.
    pub async fn stop(self) -> Option<i32> {
        self.stop_by("TERM").await
    }

    /// A signal, and the exit code.
    pub async fn stop_by(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().await.unwrap().success());
        timeout(PATIENCE, self.child.wait()).await.expect("the chat ends in time").unwrap().code()
    }
}

/// Runs a chat that must not start: its exit code and what it says.
pub async fn fails(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let mut child = chat(&folder).envs(variables.iter().copied()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    (timeout(PATIENCE, child.wait()).await.unwrap().unwrap().code(), said)
}
