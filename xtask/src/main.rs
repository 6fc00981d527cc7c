//! The commands of this repository, as `cargo xtask …`.

#![allow(clippy::print_stdout, reason = "telling what it does is half of what this program is for")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod advisories;
mod audit;
mod bench;
mod chaos;
mod ci;
mod command;
mod deploy;
mod features;
mod fuzz;
mod licenses;
mod load;
mod metadata;
mod nightly;
mod package;
mod policy;
mod soak;
mod steps;
mod test;
mod tools;
mod versions;
mod windows;

use std::process::ExitCode;

/// What went wrong, in words for the person at the keyboard.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
usage: cargo xtask <command>

  test             installs what is missing (as root with apt), then runs every test
  ci               what .ci/run does: format, clippy, docs, each feature alone, audit, packages, tests, a short load,
                   a short benchmark
  audit            licences, sources, banned, yanked and doubled dependencies; advisories where cargo-deny is installed
  windows          whether the library compiles for Windows; installs the target by rustup where it is missing
  load [options]   the seed's load on the chat example, in release; `cargo xtask load --help` tells the options
  chaos [options]  every fault of several servers and their Redis, under load; `cargo xtask chaos --help` tells the options
  deploy [options] a server is replaced under 10,000 clients, in release; `--quick`, `--clients N`, `--rate N`
  soak [options]   ten minutes of everything that clients do, in release; `cargo xtask soak --help` tells the options
  fuzz [options]   whatever bytes come: each fuzz target for a minute; `cargo xtask fuzz --help` tells the options
  bench [options]  the library beside servers without it, in release; `cargo xtask bench --help` tells the options";

/// A command line that makes no sense.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<_> = arguments.collect();
    let outcome = match (command.as_deref(), rest.is_empty()) {
        (Some("test"), true) => test::run(),
        (Some("ci"), true) => ci::run(),
        (Some("audit"), true) => audit::run(),
        (Some("windows"), true) => windows::check(),
        (Some("load"), _) => load::run(&rest),
        (Some("chaos"), _) => chaos::run(&rest),
        (Some("deploy"), _) => deploy::run(&rest),
        (Some("fuzz"), _) => fuzz::run_targets(&rest),
        (Some("soak"), _) => soak::run(&rest),
        (Some("bench"), _) => bench::run(&rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
