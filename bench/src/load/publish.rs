//! Sending to groups, and counting what arrives.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::costs::Costs;
use super::crowd::{Crowd, Wait};
use super::frames::{TEXT, masked};
use super::latency::{Latency, round};
use super::options::Options;
use super::template::{Template, nanos, stamp};
use crate::Failure;

/// Of so many clients the time is read from what arrives.
const SAMPLED: usize = 16;
/// How long a message may be on its way before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Messages on their way to the members of groups.
pub(super) struct Publisher {
    template: Template,
    began: Instant,
    /// How many clients get one message.
    members: u64,
    window: u64,
    /// Who sends: the first so many, in turn.
    senders: usize,
    next: usize,
    /// A join and a leave to go with every message, by sender.
    churn: Vec<[Vec<u8>; 2]>,
    /// Frames at least as long as this are ours.
    shortest: u64,
    every: usize,
    published: u64,
    arrived: u64,
    /// Frames that are none of ours, such as errors.
    strange: u64,
    latency: Latency,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) seconds: f64,
    pub(super) deliveries: u64,
    costs: Costs,
    idle: f64,
}

impl Publisher {
    /// `members` of the clients get a message, and the first `senders` send in turn.
    pub(super) fn new(options: &Options, members: usize, senders: usize) -> Result<Self, Failure> {
        let template = Template::new("chat_message", ("room", "bench"), options.size);
        let churn = if options.churn { senders } else { 0 };
        Ok(Self {
            shortest: template.len() as u64 * 9 / 10,
            template,
            began: Instant::now(),
            members: members as u64,
            window: options.window,
            senders,
            next: 0,
            churn: (0..churn).map(join_and_leave).collect(),
            every: (options.clients / SAMPLED).max(1),
            published: 0,
            arrived: 0,
            strange: 0,
            latency: Latency::new()?,
        })
    }

    /// Deliveries that have not come yet.
    pub(super) fn outstanding(&self) -> u64 {
        (self.published * self.members).saturating_sub(self.arrived)
    }

    /// Sends as much as the window allows; how many that was.
    pub(super) fn publish(&mut self, crowd: &mut Crowd) -> u32 {
        let mut published = 0;
        while self.outstanding() <= (self.window - 1) * self.members {
            let frame = self.template.stamped(nanos(self.began));
            match self.churn.get(self.next) {
                // Together, as one write: what is looked at is the work of joining, not one more packet.
                Some([join, leave]) => crowd.send(self.next, &[join, frame, leave].concat()),
                None => crowd.send(self.next, frame),
            }
            self.published += 1;
            self.next = (self.next + 1) % self.senders;
            published += 1;
        }
        published
    }

    /// Waits once and counts what arrives.
    ///
    /// # Errors
    ///
    /// As [`Crowd::turn`].
    pub(super) fn turn(&mut self, crowd: &mut Crowd, wait: Wait) -> Result<(), Failure> {
        crowd.turn(wait, |client, _, frame| {
            if frame.length < self.shortest {
                self.strange += 1;
                return;
            }
            self.arrived += 1;
            if client.is_multiple_of(self.every)
                && let Some(sent) = frame.payload.and_then(stamp)
            {
                self.latency.record(nanos(self.began).saturating_sub(sent));
            }
        })
    }

    /// Sends for the warm-up and then for as long as it is measured, and waits for what is still on its way.
    ///
    /// # Errors
    ///
    /// As [`Crowd::turn`]; if nothing arrives any more, or the server has gone.
    pub(super) fn measure(&mut self, crowd: &mut Crowd, options: &Options) -> Result<Outcome, Failure> {
        let wait = waiting(options);
        self.go(crowd, wait, options.warmup)?;
        self.latency = Latency::new()?;
        let (began, arrived, idle, before) = (Instant::now(), self.arrived, crowd.idle(), Costs::now(options)?);
        self.go(crowd, wait, options.duration)?;
        let outcome = Outcome {
            seconds: began.elapsed().as_secs_f64(),
            deliveries: self.arrived - arrived,
            costs: Costs::now(options)?.since(&before),
            idle: (crowd.idle() - idle).as_secs_f64(),
        };
        self.finish(crowd)?;
        Ok(outcome)
    }

    fn go(&mut self, crowd: &mut Crowd, wait: Wait, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        let mut progress = (self.arrived, Instant::now());
        while Instant::now() < end {
            self.publish(crowd);
            self.turn(crowd, wait)?;
            if self.arrived > progress.0 {
                progress = (self.arrived, Instant::now());
            } else if progress.1.elapsed() > PATIENCE {
                return Err(format!("{} deliveries are missing for {PATIENCE:?}", self.outstanding()).into());
            }
        }
        Ok(())
    }

    /// Waits for what is still on its way.
    ///
    /// # Errors
    ///
    /// As [`Crowd::turn`].
    pub(super) fn finish(&mut self, crowd: &mut Crowd) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while self.outstanding() > 0 && crowd.gone() == 0 && Instant::now() < deadline {
            self.turn(crowd, Wait::Sleep(Duration::from_millis(100)))?;
        }
        Ok(())
    }

    /// The line about it.
    pub(super) fn report(&self, what: &str, crowd: &Crowd, options: &Options, outcome: &Outcome) -> Value {
        let Outcome { seconds, deliveries, costs, idle } = outcome;
        let cpu = costs.servers();
        let mut report = json!({
            "what": what,
            "clients": options.clients,
            "size": options.size,
            "window": options.window,
            "deliveries_per_s": (*deliveries as f64 / seconds).round(),
            "server_busy": cpu.map(|cpu| round(cpu / seconds)),
            "load_busy": round(1.0 - idle / seconds),
            "latency": self.latency.summary(),
            "lost": self.outstanding(),
            "too_many": self.arrived.saturating_sub(self.published * self.members),
            "strange": self.strange,
            "gone": crowd.gone(),
        });
        costs.tell(&mut report, *deliveries);
        report
    }
}

/// How to wait while it is measured.
pub(super) fn waiting(options: &Options) -> Wait {
    if options.spin.is_zero() { Wait::Sleep(Duration::from_millis(100)) } else { Wait::Spin(options.spin) }
}

/// Nobody else is in such a group, so it comes and goes with every message.
fn join_and_leave(sender: usize) -> [Vec<u8>; 2] {
    ["join", "leave"].map(|kind| {
        let text = json!({ "type": kind, "data": { "group": format!("side-{sender}") } });
        masked(TEXT, text.to_string().as_bytes()).0
    })
}
