//! Clients that put load on a server, and what they saw as one line of JSON.
//!
//! One thread, which counts frames by their headers and parses no JSON: it has to be quicker than the servers. While
//! it measures it does not sleep in the kernel, since a server on the same machine would pay for waking it; clients
//! on machines of their own cost it nothing. Only loopback addresses are taken.

mod costs;
mod crowd;
mod echo;
mod fanout;
mod frames;
mod groups;
mod idle;
mod latency;
mod options;
mod publish;
mod target;
mod template;
mod unrelated;

use std::ffi::OsString;

use serde_json::Value;

use crate::Failure;
use options::{Options, What};

/// `channels-bench load`.
///
/// # Errors
///
/// If the command line is wrong, the server cannot be reached, or it ends a connection.
pub(crate) fn main(arguments: Vec<OsString>) -> Result<(), Failure> {
    let Some((what, options)) = options::parse(arguments)? else {
        crate::say(options::USAGE);
        return Ok(());
    };
    let report = run(what, &options)?;
    crate::say(report);
    Ok(())
}

fn run(what: What, options: &Options) -> Result<Value, Failure> {
    match what {
        What::Fanout => fanout::run(options),
        What::Echo => echo::run(options),
        What::Idle => idle::run(options),
        What::Connect => idle::connect(options),
        What::Groups => groups::run(options),
        What::Unrelated => unrelated::run(options),
    }
}
