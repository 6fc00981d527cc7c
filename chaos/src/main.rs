//! `channels-chaos`: runs every fault and prints a table; `channels-chaos serve` is a server under test.

#![allow(clippy::unwrap_used, reason = "what a run needs and is not there, ends it")]

use std::io::Write as _;
use std::process::ExitCode;

use channels_chaos::deploy;
use channels_chaos::faults;
use channels_chaos::report::HEAD;
use channels_chaos::run::{Form, Setting};

const USAGE: &str = "\
usage: channels-chaos [--quick] [--only NAME]…
       channels-chaos --list
       channels-chaos deploy [--quick] [--clients N] [--rate N]
       channels-chaos serve

Has everything happen that can happen to several servers and their Redis, under load, and checks what was promised.

  --quick      the short forms, as `cargo xtask test` runs them
  --only NAME  this fault alone; again for another
  --list       the names of the faults
  deploy       a server is replaced under 10,000 clients, who may come back at 1,000 a second; --quick for 300 at 100
  serve        a server under test: PORT and the variables of channels::Config";

/// A promise was broken.
const BROKEN: u8 = 1;
/// A command line that makes no sense.
const WRONG_USAGE: u8 = 2;

enum Command {
    Run { form: Form, only: Vec<faults::Fault> },
    Deploy(deploy::Form),
    List,
    Serve,
    Help,
}

fn parse() -> Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut form, mut only) = (Form::Long, Vec::new());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => form = Form::Short,
            Long("only") => {
                let name = parser.value()?.string()?;
                only.push(faults::named(&name).ok_or_else(|| format!("there is no fault `{name}`; see --list"))?);
            }
            Long("list") => return Ok(Command::List),
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(word) if word == "serve" => return Ok(Command::Serve),
            Value(word) if word == "deploy" => return deploy(&mut parser),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Run { form, only })
}

fn deploy(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let program = std::env::current_exe().unwrap();
    let mut form = deploy::Form::long(program.clone());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => form = deploy::Form::quick(program.clone()),
            Long("clients") => form.clients = parser.value()?.parse()?,
            Long("rate") => form.rate = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Deploy(form))
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
        Ok(Command::Run { form, only }) => run(form, &only).await,
        Ok(Command::Deploy(form)) => {
            let report = deploy::run(&form).await;
            say(&report.to_string());
            if report.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) }
        }
        Ok(Command::List) => {
            faults::ALL.iter().for_each(|fault| say(fault.name));
            ExitCode::SUCCESS
        }
        Ok(Command::Help) => {
            say(USAGE);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("channels-chaos: {error}\n\n{USAGE}");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// One after the other, so that each has the machine to itself.
async fn run(form: Form, only: &[faults::Fault]) -> ExitCode {
    let setting = Setting { program: std::env::current_exe().unwrap(), form };
    let faults = if only.is_empty() { faults::ALL } else { only };
    say(HEAD);
    let mut complaints = Vec::new();
    for fault in faults {
        // A panic is a broken run too, and not the end of the others.
        match tokio::spawn(fault.run(setting.clone())).await {
            Ok(report) => {
                say(&report.to_string());
                if !report.is_ok() {
                    complaints.push(report.complaint());
                }
            }
            Err(error) => {
                say(&format!("{:32} could not be run", fault.name));
                complaints.push(format!("{}: {error}", fault.name));
            }
        }
    }
    if complaints.is_empty() {
        return ExitCode::SUCCESS;
    }
    complaints.iter().for_each(|complaint| eprintln!("\n{complaint}"));
    ExitCode::from(BROKEN)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
