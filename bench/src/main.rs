//! What the library costs, measured from outside, beside two servers that were written by hand.
//!
//! `channels-bench serve` is a server, `channels-bench load` the clients that put load on one; `cargo xtask bench`
//! starts both and compares. They are two processes, so that the memory and the CPU time of a server are its own.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod baseline;
mod link;
mod load;
mod process;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What went wrong, in words for the person at the keyboard.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Counts what is allocated. It costs more than what it counts, so it is only there when it was asked for.
#[cfg(feature = "heap")]
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const USAGE: &str = "\
usage: channels-bench serve [options]     a server on 127.0.0.1, path /ws
       channels-bench load <what> [options]   clients, and one line of JSON
       channels-bench link [options]      the way to Redis beside a bare loop, and one line of JSON

`channels-bench serve --help` and `channels-bench load --help` tell the options; `cargo xtask bench` runs it all.";

/// A command line that makes no sense.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let command = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
    raise_descriptor_limit();
    let outcome = match command.to_str() {
        Some("serve") => serve::main(arguments),
        Some("load") => load::main(arguments),
        Some("link") => link::main(arguments),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("channels-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A client and a connection each take a descriptor, and the usual limit is far below what a system allows.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Whoever needs more than there is says so when it is needed.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// One line for whoever reads the output, person or program.
#[expect(clippy::print_stdout, reason = "its output is what this program is for")]
fn say(line: impl std::fmt::Display) {
    println!("{line}");
}
