//! What the command line asks for.

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::Failure;

const USAGE: &str = "\
usage: channels-bench link [publish | receive | resubscribe] [options]

  --url URL         the Redis (REDIS_URL, redis://127.0.0.1:6379)
  --seconds S       how long each run lasts (3)
  --rounds N        how many pairs of runs (3)
  --in-flight N     publishes that wait for their answer at once (64)
  --topics N        topics to be made live again (100000)";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Publishing, where nobody listens.
    Publish,
    /// Hearing what another process publishes.
    Receive,
    Resubscribe,
    /// That other process.
    Flood,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) work: Work,
    pub(crate) url: String,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) in_flight: usize,
    pub(crate) topics: usize,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Self, Failure> {
        let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
        let mut options = Self { work: Work::Publish, url, seconds: 3.0, rounds: 3, in_flight: 64, topics: 100_000 };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("url") => options.url = parser.value()?.string()?,
                Long("seconds") => options.seconds = parser.value()?.parse()?,
                Long("rounds") => options.rounds = parser.value()?.parse::<usize>()?.max(1),
                Long("in-flight") => options.in_flight = parser.value()?.parse::<usize>()?.max(1),
                Long("topics") => options.topics = parser.value()?.parse()?,
                Value(work) if work == "publish" => options.work = Work::Publish,
                Value(work) if work == "receive" => options.work = Work::Receive,
                Value(work) if work == "flood" => options.work = Work::Flood,
                Value(work) if work == "resubscribe" => options.work = Work::Resubscribe,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    /// `host:port` of the URL, for the bare loop.
    pub(crate) fn address(&self) -> Result<&str, Failure> {
        super::ask::address(&self.url)
    }
}
