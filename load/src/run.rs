//! One run, phase by phase: start, open, post, settle, close, stop.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::board::{Board, micros};
use crate::connections::{Connections, enough_descriptors};
use crate::faults::Kind;
use crate::memory::{Growth, Sample};
use crate::options::Options;
use crate::plan::Plan;
use crate::process::Usage;
use crate::report::{Load, Report, announce};
use crate::say;
use crate::server::Server;

/// How long deliveries may stand still before the missing ones count as lost.
const SETTLE: Duration = Duration::from_secs(5);

/// How long the server may take to count closed connections as gone.
const GONE: Duration = Duration::from_secs(10);

const SAMPLE: Duration = Duration::from_secs(1);

/// Samples between two lines that show that it still goes on.
const PROGRESS: usize = 10;

const POLL: Duration = Duration::from_millis(20);

/// Runs the load and gives what it found.
///
/// # Errors
///
/// In words, if it cannot even begin.
pub(crate) async fn run(options: Options) -> Result<Report, String> {
    enough_descriptors(options.connections)?;
    let plan = Arc::new(Plan::new(&options));
    say(&announce(&options, &plan));
    let mut server = Server::start(&options).await?;
    say(&format!("server    process {} on {}", server.pid(), server.address()));
    let board = Arc::new(Board::new(plan, options.characters));
    let began = Instant::now();
    let connections = Connections::open(&board, server.address()).await;
    let opening = began.elapsed();
    let run = Run { options, board, connections, statuses: Vec::new(), load: Load::default() };
    let mut report = run.phases(&mut server, opening).await;
    match server.stop().await {
        Ok(time) => report.stopped = Some(time),
        Err(error) => report.faults.add(Kind::Server, || error),
    }
    if !report.failures().is_empty() {
        say(&server.log());
    }
    if report.options.keep {
        say(&format!("kept      {}", server.keep().display()));
    }
    Ok(report)
}

struct Run {
    options: Options,
    board: Arc<Board>,
    connections: Connections,
    statuses: Vec<(&'static str, String)>,
    load: Load,
}

impl Run {
    async fn phases(mut self, server: &mut Server, opening: Duration) -> Report {
        self.check_status(server, "joined").await;
        let (began, own_cpu) = (Instant::now(), own_cpu());
        self.load.joined = Usage::of(server.pid());
        let samples = self.post(server.pid()).await;
        self.settle().await;
        self.load.wall = began.elapsed();
        self.load.own_cpu = self::own_cpu() - own_cpu;
        self.load.last = Usage::of(server.pid());
        self.load.growth = Growth::of(&samples, self.options.duration);
        if let (Some(first), Some(last)) = (self.load.joined, self.load.last) {
            self.load.cpu = last.cpu - first.cpu;
        }
        self.check_status(server, "delivered").await;
        self.connections.close().await;
        self.check_gone(server).await;
        self.report(opening)
    }

    /// Posts at the given rate, whatever the answers do, and looks at the server every second.
    async fn post(&self, pid: u32) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut sampling = interval(SAMPLE);
        let began = Instant::now();
        let mut message = 0;
        // One interval more than there are messages, so that the run lasts as long as it says.
        while message <= self.options.messages() && !self.board.state().faults.enough() {
            let due = began + Duration::from_nanos(message * 1_000_000_000 / u64::from(self.options.rate));
            tokio::select! {
                // The sampling goes first, or a late generator would never look at the server.
                biased;
                _ = sampling.tick() => self.sample(pid, began.elapsed(), &mut samples),
                () = sleep_until(due) => {
                    if message < self.options.messages() {
                        self.board.state().lag.saturating_record(micros(due.elapsed()));
                        let turn = self.board.plan.turn(message);
                        let room = self.board.plan.rooms_of(turn.connection)[turn.slot as usize];
                        self.connections.post(turn.connection, room);
                    }
                    message += 1;
                }
            }
        }
        samples
    }

    fn sample(&self, pid: u32, at: Duration, samples: &mut Vec<Sample>) {
        let Some(usage) = Usage::of(pid) else {
            self.board.fault(Kind::Server, || format!("the process is gone after {at:?}"));
            return;
        };
        samples.push(Sample { at, usage });
        if samples.len() % PROGRESS == 1 {
            let state = self.board.state();
            say(&format!(
                "{:>6.0} s  {} sent, {} delivered, {} under way, server {} MiB, {} faults",
                at.as_secs_f64(),
                state.sent,
                state.deliveries,
                state.checker.outstanding(),
                usage.rss / 1024,
                state.faults.total()
            ));
        }
    }

    /// Waits until everything has been delivered, or nothing has come for a while.
    async fn settle(&self) {
        let mut progress = (0, Instant::now());
        while progress.1.elapsed() < SETTLE {
            let (outstanding, deliveries, enough) = {
                let state = self.board.state();
                (state.checker.outstanding(), state.deliveries, state.faults.enough())
            };
            // What was posted last may still be on its way to its own connection's task.
            if enough || (outstanding == 0 && self.connections.idle()) {
                return;
            }
            if deliveries > progress.0 {
                progress = (deliveries, Instant::now());
            }
            sleep(POLL).await;
        }
    }

    /// While all are connected, the server's own counts have to say so.
    async fn check_status(&mut self, server: &Server, when: &'static str) {
        let status = match server.status().await {
            Ok(status) => status,
            Err(error) => return self.board.fault(Kind::Server, || error),
        };
        let expected = Some(u64::from(self.options.connections));
        for count in ["connections", "users"] {
            if status[count].as_u64() != expected {
                self.board.fault(Kind::Server, || format!("{when}: {} {count}, expected {expected:?}", status[count]));
            }
        }
        self.statuses.push((when, status.to_string()));
    }

    /// When all have gone, nothing may be left behind.
    async fn check_gone(&mut self, server: &Server) {
        let deadline = Instant::now() + GONE;
        loop {
            let status = server.status().await;
            let gone = status.as_ref().is_ok_and(|status| {
                ["connections", "users", "groups"].iter().all(|count| status[count].as_u64() == Some(0))
            });
            if gone || Instant::now() > deadline {
                if !gone {
                    self.board.fault(Kind::Server, || format!("{GONE:?} after all have gone: {status:?}"));
                }
                let words = status.unwrap_or(Value::Null).to_string();
                return self.statuses.push(("closed", words));
            }
            sleep(POLL).await;
        }
    }

    fn report(self, opening: Duration) -> Report {
        let mut guard = self.board.state();
        let state = &mut *guard;
        state.checker.finish(&mut state.faults);
        Report {
            options: self.options,
            opening,
            sent: state.sent,
            deliveries: state.deliveries,
            bytes: state.bytes,
            notices: state.notices,
            latency: state.latency.clone(),
            lag: state.lag.clone(),
            load: self.load,
            statuses: self.statuses,
            stopped: None,
            faults: mem::take(&mut state.faults),
        }
    }
}

fn own_cpu() -> f64 {
    Usage::of(std::process::id()).map_or(0.0, |usage| usage.cpu)
}
