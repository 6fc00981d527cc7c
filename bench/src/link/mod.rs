//! `channels-bench link`: what it costs to publish to Redis and to hear it, beside a bare loop that does the same over
//! its socket; and how long it takes until many topics are live again.
//!
//! Both run in this process, one after the other, again and again. What counts is the CPU time of this process for each
//! message; Redis is another process, and so is whoever publishes what is heard.

pub(crate) mod ask;
mod bare;
mod cpu;
mod flood;
mod options;
mod ours;
mod resubscribe;

use std::ffi::OsString;
use std::time::Duration;

use self::options::{Options, Work};
use crate::Failure;

/// Messages are published to so many topics in turn.
const TOPICS: usize = 16;
/// The bytes of a message, as a short line of a chat in JSON.
const PAYLOAD_BYTES: usize = 100;
/// What the names begin with, of the library's channels and of the bare loop's.
const PREFIX: &str = "bench-link:";

/// What one run came to.
#[derive(Clone, Copy, Debug)]
struct Run {
    messages: u64,
    cpu: Duration,
}

impl Run {
    fn per_cpu_second(self) -> f64 {
        self.messages as f64 / self.cpu.as_secs_f64()
    }
}

/// Measures, and prints one line of JSON.
///
/// # Errors
///
/// Where the command line makes no sense, or Redis cannot be used.
pub(crate) fn main(arguments: Vec<OsString>) -> Result<(), Failure> {
    let options = Options::parse(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // In a task, as a server's work is.
    runtime.block_on(async { tokio::spawn(measure(options)).await? })
}

async fn measure(options: Options) -> Result<(), Failure> {
    let mut pairs = Vec::with_capacity(options.rounds);
    match options.work {
        Work::Publish => {
            for _ in 0..options.rounds {
                pairs.push((bare::publish(&options).await?, ours::publish(&options).await?));
            }
        }
        Work::Receive => {
            let channels = ours::channels(&options).await?;
            for _ in 0..options.rounds {
                pairs.push((bare::receive(&options, &channels).await?, ours::receive(&options).await?));
            }
        }
        Work::Resubscribe => return resubscribe::run(&options).await,
        Work::Flood => return flood::run(&options).await,
    }
    report(&options, &pairs);
    Ok(())
}

fn report(options: &Options, pairs: &[(Run, Run)]) {
    let mut ratios: Vec<f64> = pairs.iter().map(|(bare, ours)| ours.per_cpu_second() / bare.per_cpu_second()).collect();
    ratios.sort_by(f64::total_cmp);
    let rounded = |run: &Run| run.per_cpu_second().round();
    let line = serde_json::json!({
        "what": format!("{:?}, messages for a second of CPU time: of a bare loop, and ours", options.work).to_lowercase(),
        "in_flight": options.in_flight,
        "pairs": pairs.iter().map(|(bare, ours)| [rounded(bare), rounded(ours)]).collect::<Vec<_>>(),
        "ratios": ratios,
        "ratio": ratios[ratios.len() / 2],
    });
    crate::say(line);
}
