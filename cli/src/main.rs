//! `channels`: a channel layer over Redis from the shell. It needs only the Redis, by the variables of the servers.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod listen;
mod options;
mod send;
mod signal;
mod status;
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use channels::Config;

use options::{Command, Usage};

/// What was asked for could not be done.
const FAILED: u8 = 1;
/// A command line that makes no sense.
const WRONG_USAGE: u8 = 2;

/// What went wrong, in words for the person at the keyboard.
type Failure = Box<dyn std::error::Error>;

// The connection is served beside this thread, which may wait for whoever reads the output.
#[tokio::main(worker_threads = 1)]
async fn main() -> ExitCode {
    let command = match options::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(Usage(problem)) => {
            eprintln!("channels: {problem}\n\n{}", usage::SHORT);
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(failure) if is_closed_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("channels: {}", words(&*failure));
            // The runtime would wait for the look-up of a name that nobody answers.
            std::process::exit(FAILED.into());
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Help => Ok(say(usage::LONG)?),
        Command::Version => Ok(say(concat!("channels ", env!("CARGO_PKG_VERSION")))?),
        Command::Send { to, message } => send::run(&Config::from_env()?, to, message).await,
        Command::Status { json } => status::run(&Config::from_env()?, json).await,
        Command::Listen { to } => listen::run(&Config::from_env()?, &to).await,
    }
}

/// One line of output, for whoever reads it now.
fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// An error and what is behind it.
fn words(failure: &dyn std::error::Error) -> String {
    match failure.source() {
        Some(source) => format!("{failure} ({})", words(source)),
        None => failure.to_string(),
    }
}

fn is_closed_pipe(failure: &Failure) -> bool {
    failure.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
