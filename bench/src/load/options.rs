//! What the command line of the load says.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::prelude::*;

use super::target::Target;
use crate::Failure;

/// Printed by `--help`.
pub(super) const USAGE: &str = "\
Clients that put load on a server, and one line of JSON about it.

usage: channels-bench load <what> --url ws://127.0.0.1:PORT/ws [--server-pid PID] [options]

  fanout     one group; its first member sends, everybody gets it
  echo       every client sends, and sends again when its message is back
  idle       memory of the server a connection, between --from and --clients connections
  connect    connections a second
  groups     the clients in --groups groups, as the server has them too; all of them take turns to send
  unrelated  one client in no group sends --rate echoes a second while a group of --clients gets messages

  --url URL         again for each further server: the clients are spread over them, only for `fanout`
  --server-pid PID  whose memory and CPU time is measured; again for each further server
  --redis-pid PID   whose CPU time is told too, by itself
  --clients N       1000 (echo 100, idle and unrelated 15000, connect 2000, groups 10000)
  --size BYTES      128: of a message's JSON
  --window N        1 (groups 100): messages on their way at the same time
  --duration S      5
  --warmup S        1: before it is measured
  --settle S        0.3 (idle 2): after connecting
  --spin US         30: how long to wait before looking again, awake; 0 sleeps in the kernel
  --groups N        1000
  --churn           every message comes with a join and a leave
  --from N          5000: where the measuring of `idle` begins
  --rounds N        1: how often `idle` connects everybody and lets them go
  --hold S          3: how long `idle` watches the CPU time when nothing happens
  --redis-url URL   `idle` also counts the commands of that Redis for --hold, without and with the connections
  --profile         at its end `idle` sends SIGUSR1, for a server with ALLOCATIONS=1
  --rate N          1000 echoes a second";

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Fanout,
    Echo,
    Idle,
    Connect,
    Groups,
    Unrelated,
}

/// How.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// At least one; more only where `fanout` is measured.
    pub(super) targets: Vec<Target>,
    /// The processes of the servers, as many as were named.
    pub(super) servers: Vec<u32>,
    pub(super) redis: Option<u32>,
    pub(super) redis_url: Option<String>,
    pub(super) clients: usize,
    pub(super) size: usize,
    pub(super) window: u64,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    pub(super) settle: Duration,
    pub(super) spin: Duration,
    pub(super) groups: usize,
    pub(super) churn: bool,
    pub(super) from: usize,
    pub(super) rounds: usize,
    pub(super) hold: Duration,
    pub(super) profile: bool,
    pub(super) rate: u32,
}

impl Options {
    fn new(what: What, targets: Vec<Target>) -> Self {
        let idle = what == What::Idle;
        Self {
            targets,
            servers: Vec::new(),
            redis: None,
            redis_url: None,
            clients: match what {
                What::Fanout => 1_000,
                What::Echo => 100,
                What::Connect => 2_000,
                What::Groups => 10_000,
                What::Idle | What::Unrelated => 15_000,
            },
            size: 128,
            window: if what == What::Groups { 100 } else { 1 },
            duration: Duration::from_secs(5),
            warmup: Duration::from_secs(1),
            settle: if idle { Duration::from_secs(2) } else { Duration::from_millis(300) },
            spin: Duration::from_micros(30),
            groups: 1_000,
            churn: false,
            from: 5_000,
            rounds: 1,
            hold: Duration::from_secs(3),
            profile: false,
            rate: 1_000,
        }
    }

    /// Where it is one server.
    pub(super) fn target(&self) -> &Target {
        &self.targets[0]
    }

    fn check(self, what: What) -> Result<Self, Failure> {
        let one = self.targets.len() <= 1 && self.servers.len() <= 1 && self.redis.is_none();
        if what != What::Fanout && !one {
            return Err("several servers, and a Redis behind them, are for `fanout` only".into());
        }
        if self.clients == 0 || self.window == 0 || self.groups == 0 || self.rounds == 0 || self.rate == 0 {
            return Err("--clients, --window, --groups, --rounds and --rate must be at least 1".into());
        }
        if self.duration.is_zero() {
            return Err("--duration must be more than 0".into());
        }
        if what == What::Groups && !self.clients.is_multiple_of(self.groups) {
            return Err("--clients must be a multiple of --groups: groups are of equal size".into());
        }
        if what == What::Idle && self.from >= self.clients {
            return Err("--from must be less than --clients".into());
        }
        if self.profile && self.rounds > 1 {
            return Err("--profile is for one round: who has left holds nothing".into());
        }
        Ok(self)
    }
}

/// Reads the arguments behind `load`; `None` where help is wanted.
///
/// # Errors
///
/// If they make no sense.
pub(super) fn parse(arguments: Vec<OsString>) -> Result<Option<(What, Options)>, Failure> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut what = None;
    let mut targets = Vec::new();
    let mut settings: Vec<(String, Option<OsString>)> = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("url") => targets.push(Target::parse(&parser.value()?.string()?)?),
            Long(switch @ ("churn" | "profile")) => settings.push((switch.to_owned(), None)),
            Long(name) => {
                let name = name.to_owned();
                settings.push((name, Some(parser.value()?)));
            }
            Value(word) if what.is_none() => what = Some(kind(&word.string()?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    // What is measured decides the defaults, wherever it stands.
    let what = what.ok_or("what is to be measured? See `channels-bench load --help`")?;
    if targets.is_empty() {
        return Err("--url is missing".into());
    }
    let mut options = Options::new(what, targets);
    for (name, value) in settings {
        set(&mut options, &name, value.unwrap_or_default())?;
    }
    options.check(what).map(|options| Some((what, options)))
}

fn kind(word: &str) -> Result<What, Failure> {
    Ok(match word {
        "fanout" => What::Fanout,
        "echo" => What::Echo,
        "idle" => What::Idle,
        "connect" => What::Connect,
        "groups" => What::Groups,
        "unrelated" => What::Unrelated,
        other => return Err(format!("{other:?} cannot be measured; see `channels-bench load --help`").into()),
    })
}

fn set(options: &mut Options, name: &str, value: OsString) -> Result<(), Failure> {
    match name {
        "server-pid" => options.servers.push(value.parse()?),
        "redis-url" => options.redis_url = Some(value.parse()?),
        "redis-pid" => options.redis = Some(value.parse()?),
        "clients" => options.clients = value.parse()?,
        "size" => options.size = value.parse()?,
        "window" => options.window = value.parse()?,
        "duration" => options.duration = seconds(&value)?,
        "warmup" => options.warmup = seconds(&value)?,
        "settle" => options.settle = seconds(&value)?,
        "spin" => options.spin = Duration::from_micros(value.parse()?),
        "groups" => options.groups = value.parse()?,
        "churn" => options.churn = true,
        "from" => options.from = value.parse()?,
        "rounds" => options.rounds = value.parse()?,
        "hold" => options.hold = seconds(&value)?,
        "profile" => options.profile = true,
        "rate" => options.rate = value.parse()?,
        other => return Err(format!("there is no option --{other}").into()),
    }
    Ok(())
}

fn seconds(value: &OsString) -> Result<Duration, Failure> {
    Ok(Duration::try_from_secs_f64(value.parse()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(What, Options), String> {
        let parsed = parse(line.split_whitespace().map(Into::into).collect()).map_err(|error| error.to_string())?;
        parsed.ok_or_else(|| "help".into())
    }

    #[test]
    fn what_is_measured_decides_the_defaults_wherever_it_stands() {
        let (what, options) = read("--url ws://127.0.0.1:1/ws --window 7 groups --churn --groups=100").unwrap();
        assert_eq!((what, options.clients, options.window, options.churn), (What::Groups, 10_000, 7, true));
        let (_, options) = read("idle --url ws://127.0.0.1:1/ws --settle 0.5 --server-pid 42").unwrap();
        assert_eq!((options.clients, options.settle), (15_000, Duration::from_millis(500)));
        assert_eq!(options.servers, [42]);
        let two =
            "fanout --url ws://127.0.0.1:1/ws --url ws://127.0.0.1:2/ws --server-pid 3 --server-pid 4 --redis-pid 5";
        let (_, options) = read(two).unwrap();
        assert_eq!((options.targets.len(), options.servers, options.redis), (2, vec![3, 4], Some(5)));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "fanout",
            "fly --url ws://127.0.0.1:1/ws",
            "echo --url ws://10.0.0.1:1/ws",
            "echo --url ws://127.0.0.1:1/ws --url ws://127.0.0.1:2/ws",
            "echo --url ws://127.0.0.1:1/ws --clients 0",
            "echo --url ws://127.0.0.1:1/ws --clients many",
            "echo --url ws://127.0.0.1:1/ws --duration -1",
            "echo --url ws://127.0.0.1:1/ws --speed 3",
            "groups --url ws://127.0.0.1:1/ws --clients 10 --groups 3",
            "idle --url ws://127.0.0.1:1/ws --from 20000",
            "idle --url ws://127.0.0.1:1/ws --rounds 2 --profile",
        ] {
            read(line).expect_err(line);
        }
        assert_eq!(read("echo --help").unwrap_err(), "help");
    }
}
