//! Server processes.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::Duration;

use channels_tests::redis::{Process, eventually};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::http;
use crate::server::{DRAINED, LISTENS};

/// The variable that names the file in which servers note each run of a handler that is to run once.
pub const RUNS: &str = "CHAOS_RUNS";

/// How long a look at `/readyz` may take.
const LOOKS_WITHIN: Duration = Duration::from_secs(1);

/// Lines of its log that are shown when something went wrong.
const TAIL: usize = 25;

/// How servers are started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program of `serve`.
    pub program: PathBuf,
    /// Its environment: `REDIS_URL` and what else there is.
    pub environment: Vec<(String, String)>,
}

/// A server process. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    process: Mutex<Option<Process>>,
    folder: TempDir,
}

impl Server {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If that takes too long, or it ends.
    pub async fn start(settings: &Settings) -> Self {
        let folder = TempDir::new().unwrap();
        let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
        let process = Process::start(&settings.program, |command| {
            command.arg("serve").env("BACKEND_TYPE", "redis").env("PORT", "0").current_dir(folder.path());
            if std::env::var_os("RUST_LOG").is_none() {
                command.env("RUST_LOG", "warn");
            }
            command.envs(settings.environment.iter().map(|(name, value)| (name, value)));
            command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        });
        let mut process = process.unwrap();
        let address = eventually("a server prints its address", || {
            assert!(!process.has_ended(), "a server has ended: {}", fs::read_to_string(&stderr).unwrap_or_default());
            let told = fs::read_to_string(&stdout).ok()?;
            told.strip_suffix('\n')?.strip_prefix(LISTENS)?.parse().ok()
        });
        let address = address.await;
        Self { address, process: Mutex::new(Some(process)), folder }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Process) -> T) -> T {
        block_in_place(|| act(self.process.lock().unwrap().as_mut().expect("a living server")))
    }

    /// Whether it has not been ended.
    pub fn lives(&self) -> bool {
        self.process.lock().unwrap().is_some()
    }

    /// Kills it.
    pub fn kill_9(&self) {
        block_in_place(|| self.process.lock().unwrap().take());
    }

    /// SIGTERM, and its end.
    pub fn terminate(&self) -> ExitStatus {
        block_in_place(|| self.process.lock().unwrap().take().expect("a living server").terminate())
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.with(|process| process.id())
    }

    /// SIGTERM, and no more.
    pub fn ask_to_end(&self) {
        self.with(|process| process.signal(Signal::TERM));
    }

    /// Whether it has ended, and how.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.with(Process::ended)
    }

    /// What its drain came to: connections that it closed, those that it dropped, messages that it did not send.
    pub fn drained(&self) -> Option<[usize; 3]> {
        let said = fs::read_to_string(self.folder.path().join("stdout")).ok()?;
        let mut numbers = said.lines().find_map(|line| line.strip_prefix(DRAINED))?.split(' ').map(str::parse);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        self.with(Process::stop);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.with(|process| process.signal(Signal::CONT));
    }

    /// What `/readyz` says; nothing where there is no answer.
    pub async fn is_ready(&self) -> Option<bool> {
        is_ready(self.address).await
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

/// What `/readyz` says at an address.
pub async fn is_ready(server: SocketAddr) -> Option<bool> {
    http::get(server, "/readyz", LOOKS_WITHIN).await.ok().map(|(status, _)| status == 200)
}
