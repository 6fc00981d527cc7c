//! What the command line can change, and the defaults: the seed's numbers.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::text::MIN_CHARACTERS;

/// Printed by `--help`.
pub(crate) const USAGE: &str = "\
The seed's load on the chat example. Ends with 0 if all went well, with 1 if a message was lost,
misordered, late, or the server's memory grew, and with 2 if the command line is wrong.

usage: channels-load [options]

  --quick                  200 connections, 2,000 rooms, 5 seconds; memory is not judged
  --server PATH            the chat's executable; default: `chat` beside this one
  --env NAME=VALUE         one more variable for the server; may be given several times
  --connections N          5000
  --rooms N                50000
  --rooms-per-connection N 10
  --rate N                 500 messages a second, in all
  --characters N           5000 in a message's text
  --seconds N              120
  --p99-ms N               100: the 99th percentile of the latency has to stay below
  --seed N                 1: decides who is in which room and who speaks when
  --keep                   keeps the server's folder (database and log) and prints where it is
  --help";

/// The numbers of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) connections: u32,
    pub(crate) rooms: u32,
    pub(crate) rooms_per_connection: u32,
    /// Messages a second, all connections together.
    pub(crate) rate: u32,
    pub(crate) characters: usize,
    pub(crate) duration: Duration,
    pub(crate) p99_limit: Duration,
    pub(crate) seed: u64,
    /// The chat's executable; `None` looks beside this one.
    pub(crate) server: Option<PathBuf>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) keep: bool,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 5_000,
            rooms: 50_000,
            rooms_per_connection: 10,
            rate: 500,
            characters: 5_000,
            duration: Duration::from_secs(120),
            p99_limit: Duration::from_millis(100),
            seed: 1,
            server: None,
            env: Vec::new(),
            keep: false,
        }
    }
}

impl Options {
    /// Small enough for every CI run; loss and order are judged as strictly as in the long run.
    fn quick() -> Self {
        Self { connections: 200, rooms: 2_000, duration: Duration::from_secs(5), ..Self::default() }
    }

    /// How many messages are sent in all.
    pub(crate) fn messages(&self) -> u64 {
        u64::from(self.rate) * self.duration.as_secs()
    }

    fn check(self) -> Result<Self, String> {
        let positive = [
            ("--connections", self.connections),
            ("--rooms", self.rooms),
            ("--rooms-per-connection", self.rooms_per_connection),
            ("--rate", self.rate),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} must be at least 1"));
        }
        if self.duration.is_zero() {
            return Err("--seconds must be at least 1".into());
        }
        if self.rooms_per_connection > self.rooms {
            return Err("--rooms-per-connection cannot be more than --rooms".into());
        }
        if self.characters < MIN_CHARACTERS {
            return Err(format!("--characters must be at least {MIN_CHARACTERS}: the text carries its own stamp"));
        }
        Ok(self)
    }
}

/// Reads the arguments, the program's own name left out.
pub(crate) fn parse(arguments: Vec<std::ffi::OsString>) -> Result<Command, String> {
    // `--quick` is a set of defaults, so where it stands among the other options must not matter.
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let mut options = if quick { Options::quick() } else { Options::default() };
    let mut parser = lexopt::Parser::from_args(arguments);
    match read(&mut parser, &mut options) {
        Ok(true) => Ok(Command::Help),
        Ok(false) => options.check().map(Command::Run),
        Err(error) => Err(error.to_string()),
    }
}

/// Fills in the options; true if help is wanted.
fn read(parser: &mut lexopt::Parser, options: &mut Options) -> Result<bool, lexopt::Error> {
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => {}
            Long("keep") => options.keep = true,
            Long("server") => options.server = Some(parser.value()?.into()),
            Long("env") => options.env.push(parser.value()?.parse_with(variable)?),
            Long("connections") => options.connections = parser.value()?.parse()?,
            Long("rooms") => options.rooms = parser.value()?.parse()?,
            Long("rooms-per-connection") => options.rooms_per_connection = parser.value()?.parse()?,
            Long("rate") => options.rate = parser.value()?.parse()?,
            Long("characters") => options.characters = parser.value()?.parse()?,
            Long("seconds") => options.duration = Duration::from_secs(parser.value()?.parse()?),
            Long("p99-ms") => options.p99_limit = Duration::from_millis(parser.value()?.parse()?),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Short('h') | Long("help") => return Ok(true),
            other => return Err(other.unexpected()),
        }
    }
    Ok(false)
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("expected NAME=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Options, String> {
        match parse(arguments.iter().map(Into::into).collect())? {
            Command::Run(options) => Ok(options),
            Command::Help => Err("help".into()),
        }
    }

    #[test]
    fn without_arguments_it_is_the_seeds_load() {
        let options = run(&[]).unwrap();
        assert_eq!(options, Options::default());
        assert_eq!(options.messages(), 60_000);
    }

    #[test]
    fn quick_is_a_default_wherever_it_stands() {
        let options = run(&["--rate=20", "--connections", "7", "--quick", "--env", "A=b=c"]).unwrap();
        assert_eq!((options.rate, options.connections, options.rooms), (20, 7, 2_000));
        assert_eq!(options.env, [("A".to_owned(), "b=c".to_owned())]);
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            &["--rate", "0"][..],
            &["--rate", "many"],
            &["--rooms", "5"],
            &["--characters", "3"],
            &["--env", "nothing"],
            &["--seconds", "0"],
            &["--unknown"],
            &["word"],
        ] {
            run(arguments).expect_err(&arguments.join(" "));
        }
    }
}
