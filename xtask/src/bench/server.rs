//! The servers that are compared, as processes of their own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::redis::Redis;
use crate::Failure;
use crate::command::{self, find};

/// Where a server runs, and where the load.
pub(super) const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Channels,
    Direct,
    AxumWs,
    /// The library's, beside which two that share a Redis are looked at.
    InMemory,
    /// Those two.
    Two,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Channels, Self::Direct, Self::AxumWs];

    /// Of the servers without the library.
    fn baseline(self) -> Option<&'static str> {
        matches!(self, Self::Direct | Self::AxumWs).then(|| self.name())
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Channels => "channels",
            Self::Direct => "direct",
            Self::AxumWs => "axum-ws",
            Self::InMemory => "in memory",
            Self::Two => "two",
        }
    }
}

/// The program of `bench/`, and how to start it.
#[derive(Debug)]
pub(super) struct Bench {
    program: String,
    runtime: String,
    pinned: bool,
}

impl Bench {
    /// Looks whether there are two cores to tell apart.
    pub(super) fn new(program: String, runtime: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pinned = cores > 1 && find("taskset").is_some();
        if !pinned {
            println!("NOT PINNED: needs two cores and `taskset`; server and load get into each other's way");
        }
        Self { program, runtime, pinned }
    }

    fn command(&self, core: &str, arguments: &[&str]) -> Command {
        self.command_of(core, &self.program, arguments)
    }

    /// Any program, on that core if there are two.
    pub(super) fn command_of(&self, core: &str, program: &str, arguments: &[&str]) -> Command {
        if !self.pinned {
            return command::program(program, arguments);
        }
        let mut command = command::program("taskset", &["-c", core, program]);
        command.args(arguments);
        command
    }

    /// Starts a server with so many groups, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub(super) fn start(&self, kind: Kind, groups: u32) -> Result<Server, Failure> {
        self.start_with(kind, groups, None)
    }

    /// The same, with a Redis.
    ///
    /// # Errors
    ///
    /// As [`Bench::start`].
    pub(super) fn start_with(&self, kind: Kind, groups: u32, redis: Option<&Redis>) -> Result<Server, Failure> {
        let groups = groups.to_string();
        let mut arguments = vec!["serve", "--with-stdin", "--groups", &groups];
        if let Some(baseline) = kind.baseline() {
            arguments.extend(["--baseline", baseline]);
        }
        let mut command = self.command(SERVER_CORE, &arguments);
        // `--with-stdin`: even if this program is killed, its servers end.
        command.env("PORT", "0").env("RT", &self.runtime).stdin(Stdio::piped()).stdout(Stdio::piped());
        // What decides the backend is said here, whatever stands in the environment.
        command.env("REDIS_URL", redis.map(Redis::url).unwrap_or_default()).env_remove("BACKEND_TYPE");
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", self.program))?;
        let output = child.stdout.take().ok_or("a server without an output")?;
        let mut server = Server { kind, child, url: String::new() };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let url = line.split_whitespace().last().filter(|word| word.starts_with("ws://"));
        server.url = url.ok_or_else(|| format!("{} does not start: {line}", kind.name()))?.to_owned();
        Ok(server)
    }

    /// Puts load on a server and gives the line about it.
    ///
    /// # Errors
    ///
    /// If the load fails, or something was lost.
    pub(super) fn load(&self, server: &Server, what: &str, options: &[(&str, String)]) -> Result<Value, Failure> {
        self.load_all(std::slice::from_ref(server), what, options)
    }

    /// The same, of several servers that are one to their clients.
    ///
    /// # Errors
    ///
    /// As [`Bench::load`].
    pub(super) fn load_all(
        &self,
        servers: &[Server],
        what: &str,
        options: &[(&str, String)],
    ) -> Result<Value, Failure> {
        let mut command = self.command(LOAD_CORE, &["load", what]);
        for server in servers {
            command.args(["--url", &server.url, "--server-pid", &server.child.id().to_string()]);
        }
        for (name, value) in options {
            command.arg(name);
            if !value.is_empty() {
                command.arg(value);
            }
        }
        let line = command::output(&mut command)?;
        let report: Value = serde_json::from_str(&line)?;
        let broken = ["lost", "too_many", "strange", "gone", "echoes_lost"]
            .into_iter()
            .find(|field| report[field].as_u64().is_some_and(|count| count > 0));
        match broken {
            Some(field) => {
                let name = servers.first().map_or("?", |server| server.kind.name());
                Err(format!("{name}: {what}: {field} is {}: {line}", report[field]).into())
            }
            None => Ok(report),
        }
    }

    /// The way to Redis beside a bare loop, on the core of the load; the line about it.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub(super) fn link(&self, what: &str, redis: &Redis, options: &[(&str, String)]) -> Result<Value, Failure> {
        let mut command = self.command(LOAD_CORE, &["link", what, "--url", &redis.url()]);
        for (name, value) in options {
            command.args([name, value.as_str()]);
        }
        Ok(serde_json::from_str(&command::output(&mut command)?)?)
    }
}

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) kind: Kind,
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended by itself. By its own id, and never another's: it has not been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
