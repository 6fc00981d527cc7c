//! `channels-soak`: minutes of everything that clients do; `channels-soak serve` is the server under it.

use std::io::Write as _;
use std::process::ExitCode;

use channels_soak::report::HEAD;
use channels_soak::run::{Form, run};

const USAGE: &str = "\
usage: channels-soak [--quick | --minutes N] [--redis]
       channels-soak serve

A server under clients that connect, join, send, are cut off, vanish, flood, talk nonsense and read too slowly. Ends
with 1 if something is left when they have gone (connections, users, groups, descriptors), if the server counted what
clients do not know of, or if there is more than 2% more memory after the last minute, or in the median of the later
ones, than after the first: resident, and what of it is heap and stacks. It is looked at when everybody has gone, and the server runs with glibc's caches off:
MALLOC_ARENA_MAX, MALLOC_TOP_PAD_, MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_ and GLIBC_TUNABLES are set for it.

  --minutes N  so many minutes of load, in rounds of one; 10 unless said otherwise. Each takes some ten seconds longer
  --quick      two rounds of seconds, as `cargo xtask test` runs it; memory is told, and not judged
  --redis      with a Redis of its own instead of the memory backend
  serve        the server: PORT and the variables of channels::Config";

/// A run that found something.
const FAILED: u8 = 1;
/// A command line that makes no sense.
const WRONG_USAGE: u8 = 2;
const MINUTES: u32 = 10;

enum Command {
    Run(Form),
    Serve,
    Help,
}

fn parse() -> Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut form = Form::minutes(program.clone(), MINUTES);
    let mut with_redis = false;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => form = Form::quick(program.clone()),
            Long("minutes") => {
                let minutes: u32 = parser.value()?.parse()?;
                form = Form::minutes(program.clone(), minutes.max(1));
            }
            Long("redis") => with_redis = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(word) if word == "serve" => return Ok(Command::Serve),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Run(Form { with_redis, ..form }))
}

#[tokio::main]
async fn main() -> ExitCode {
    match parse() {
        Ok(Command::Serve) => match channels_chaos::serve().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Run(form)) => {
            say(HEAD);
            let report = run(&form, |round| say(&round.to_string())).await;
            say(&report.to_string());
            if report.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
        }
        Ok(Command::Help) => {
            say(USAGE);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("channels-soak: {error}\n\n{USAGE}");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
