//! The seed's load, put on the chat example.
//!
//! It starts the chat as a child process, opens 5,000 connections, each in 10 of 50,000 rooms, and posts
//! 500 messages a second of 5,000 characters for two minutes. It ends with 1 if one message was lost, doubled,
//! misordered or changed, if the members of a room saw different orders, if an error frame came or a
//! connection ended, if the 99th percentile of the latency reached 100 ms, or if the server's memory grew
//! in the second half of the run. Everything stays on the loopback interface.
//!
//! Messages are timed from the moment when they are handed to the connection's socket, and they are due at fixed
//! times whatever the server does; how late this program itself is with them is reported beside the latency.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod board;
mod checker;
mod client;
mod connections;
mod faults;
mod http;
mod memory;
mod options;
mod plan;
mod process;
mod report;
mod run;
mod server;
mod text;

use std::process::ExitCode;

use options::Command;

/// A run that was carried out and has failed, or could not be carried out.
const FAILED: u8 = 1;

/// A command line that makes no sense.
const USAGE: u8 = 2;

// One thread: the second core of a small machine belongs to the server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1).collect()) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            say(options::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{}", options::USAGE);
            return ExitCode::from(USAGE);
        }
    };
    match run::run(options).await {
        Ok(report) => {
            say(&report.to_string());
            if report.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
        }
        Err(error) => {
            eprintln!("channels-load: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// One line (or more) of the report.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}
