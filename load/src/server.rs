//! The chat as a child process: started on a free port with a database of its own, stopped by SIGTERM.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::http;
use crate::options::Options;

/// The rates that keep one user from flooding the others would throttle a load on purpose, so they
/// are raised. All other limits stay as they are by default.
const RATE_LIMITS: &str = "posting=1000000/1s,messages=1000000/1s";

/// What the server may need of this program's environment. The rest, and above all variables that
/// configure the chat, would make two runs differ that are started alike.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE", "RUST_LOG"];

/// How long the server may take to start.
const START: Duration = Duration::from_secs(30);

/// How long it may take from SIGTERM to its end: its own drain has a deadline below that.
const STOP: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);

/// Lines of the log that are shown when something went wrong.
const TAIL: usize = 40;

/// A running chat. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// Starts the chat and waits until it is ready.
    ///
    /// # Errors
    ///
    /// In words, with the end of its log, if it cannot be started or ends at once.
    pub(crate) async fn start(options: &Options) -> Result<Self, String> {
        let program = program(options)?;
        let folder = TempDir::with_prefix("channels-load-").map_err(|error| format!("no temporary folder: {error}"))?;
        let address = free_address().map_err(|error| format!("no free port: {error}"))?;
        let child = command(&program, folder.path(), address, options)
            .and_then(|mut command| command.spawn())
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut server = Self { child, address, folder };
        match server.ready().await {
            Ok(()) => Ok(server),
            Err(error) => Err(format!("{error}\n{}", server.log())),
        }
    }

    async fn ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.ended() {
                return Err(format!("the server ended while starting: {status}"));
            }
            match http::get(self.address, "/readyz").await {
                Ok((200, _)) => return Ok(()),
                answer if Instant::now() > deadline => {
                    return Err(format!("the server is not ready after {START:?}: {answer:?}"));
                }
                _ => sleep(POLL).await,
            }
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// `GET /api/status`.
    ///
    /// # Errors
    ///
    /// In words, unless the answer is 200 and a JSON object.
    pub(crate) async fn status(&self) -> Result<serde_json::Value, String> {
        match http::get(self.address, "/api/status").await? {
            (200, body) => serde_json::from_str(&body).map_err(|error| format!("GET /api/status: {error} in {body}")),
            (status, body) => Err(format!("GET /api/status: {status} {body}")),
        }
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    ///
    /// In words, unless it ends in time and with 0.
    pub(crate) async fn stop(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        // Signalling is safe while the child has not been waited for: its id cannot be reused.
        if self.ended().is_none() {
            let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).ok_or("the process id is none")?;
            kill_process(pid, Signal::TERM).map_err(|error| format!("cannot send SIGTERM: {error}"))?;
        }
        while began.elapsed() < STOP {
            match self.ended() {
                Some(status) if status.success() => return Ok(began.elapsed()),
                Some(status) => {
                    return Err(format!("the server ended with {status} after SIGTERM"));
                }
                None => sleep(POLL).await,
            }
        }
        Err(format!("the server still runs {STOP:?} after SIGTERM"))
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        format!("the server's log has {} lines; the last {}:\n{}", lines.len(), tail.len(), tail.join("\n"))
    }

    /// Leaves the database and the log where they are and tells where that is.
    pub(crate) fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn program(options: &Options) -> Result<PathBuf, String> {
    let program = match &options.server {
        Some(program) => program.clone(),
        None => env::current_exe().map_err(|error| error.to_string())?.with_file_name("chat"),
    };
    // The server runs in a folder of its own, so a relative path has to be resolved here.
    program.canonicalize().map_err(|error| {
        format!(
            "{}: {error}\nbuild it with `cargo build --release -p chat`, or name it with --server",
            program.display()
        )
    })
}

fn command(program: &Path, folder: &Path, address: SocketAddr, options: &Options) -> std::io::Result<Command> {
    let log = File::create(folder.join("server.log"))?;
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env_clear()
        .envs(PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?))))
        .env("HOST", address.ip().to_string())
        .env("PORT", address.port().to_string())
        .env("DATABASE_URL", format!("sqlite://{}?mode=rwc", folder.join("chat.db").display()))
        .env("WS_RATE_LIMITS", RATE_LIMITS)
        // 5,000 connections would be 5,000 lines; what goes wrong is still written.
        .env("LOG_LEVEL", "WARN")
        .envs(options.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command)
}

/// A port that nobody listens on just now. Somebody could take it before the server does; then the
/// server cannot start, and the run fails and says so.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_said_with_the_command_that_builds_it() {
        let options = Options { server: Some("/nowhere/chat".into()), ..Options::default() };
        let error = program(&options).unwrap_err();
        assert!(error.contains("/nowhere/chat") && error.contains("cargo build --release -p chat"), "{error}");
    }

    #[test]
    fn the_environment_is_the_servers_own() {
        let folder = TempDir::new().unwrap();
        let options = Options { env: vec![("PORT".into(), "1".into())], ..Options::default() };
        let address = free_address().unwrap();
        let command = command(Path::new("/bin/true"), folder.path(), address, &options).unwrap();
        let get = |name: &str| command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
        assert_eq!(get("PORT").unwrap(), "1", "--env goes before our own");
        assert_eq!(get("WS_RATE_LIMITS").unwrap(), RATE_LIMITS);
        assert!(get("DATABASE_URL").unwrap().to_str().unwrap().starts_with("sqlite:///"));
        assert_eq!(get("CARGO_MANIFEST_DIR"), None, "the rest of our environment is not passed on");
        assert!(address.ip().is_loopback());
    }
}
