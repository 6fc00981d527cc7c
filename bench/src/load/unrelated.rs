//! Whether a large group's messages hold up a client that has nothing to do with it.
//!
//! That client sends at fixed times, whatever the server does, and a message is timed from when it was due: if it waited
//! for its answer before it sent again, a server that stands still for a second would cost it one bad time of many.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::{Crowd, Wait};
use super::latency::Latency;
use super::options::Options;
use super::publish::{Publisher, waiting};
use super::template::{Template, nanos};
use crate::Failure;

/// So few events in one turn that the one client is looked at every tenth of a millisecond or so.
const AT_ONCE: usize = 48;
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The one client.
struct Lonely {
    crowd: Crowd,
    template: Template,
    began: Instant,
    /// When the next is due, and how much later each is.
    due: u64,
    step: u64,
    /// Those on their way, by the time they were due.
    sent: VecDeque<u64>,
    latency: Latency,
}

impl Lonely {
    fn new(options: &Options) -> Result<Self, Failure> {
        let mut crowd = Crowd::new(AT_ONCE)?;
        crowd.open(&options.target().quiet(), 1)?;
        Ok(Self {
            crowd,
            template: Template::new("echo", ("room", "bench"), options.size),
            began: Instant::now(),
            due: 0,
            step: u64::try_from((Duration::from_secs(1) / options.rate).as_nanos())?,
            sent: VecDeque::new(),
            latency: Latency::new()?,
        })
    }

    /// Sends what is due and takes what is back.
    fn turn(&mut self) -> Result<(), Failure> {
        while self.due <= nanos(self.began) {
            self.crowd.send(0, self.template.stamped(self.due));
            self.sent.push_back(self.due);
            self.due += self.step;
        }
        self.receive()
    }

    fn receive(&mut self) -> Result<(), Failure> {
        let (sent, latency, began) = (&mut self.sent, &mut self.latency, self.began);
        self.crowd.turn(Wait::Spin(Duration::ZERO), |_, _, _| {
            if let Some(due) = sent.pop_front() {
                latency.record(nanos(began).saturating_sub(due));
            }
        })
    }

    /// Begins anew with the times.
    fn restart(&mut self) -> Result<(), Failure> {
        self.latency = Latency::new()?;
        self.due = nanos(self.began);
        Ok(())
    }
}

/// # Errors
///
/// As [`Crowd::open`] and [`Crowd::turn`].
pub(super) fn run(options: &Options) -> Result<Value, Failure> {
    let mut crowd = Crowd::new(AT_ONCE)?;
    crowd.open(options.target(), options.clients)?;
    crowd.rest(options.settle)?;
    let mut lonely = Lonely::new(options)?;
    let mut publisher = Publisher::new(options, options.clients, 1)?;
    let wait = waiting(options);

    // Without the group first: what this machine and this program make of it by themselves.
    let end = Instant::now() + options.warmup;
    while Instant::now() < end {
        lonely.turn()?;
        publisher.turn(&mut crowd, wait)?;
    }
    let alone = lonely.latency.summary();

    lonely.restart()?;
    let (began, mut broadcasts) = (Instant::now(), 0_u64);
    while began.elapsed() < options.duration {
        broadcasts += u64::from(publisher.publish(&mut crowd));
        lonely.turn()?;
        publisher.turn(&mut crowd, wait)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    publisher.finish(&mut crowd)?;
    let deadline = Instant::now() + PATIENCE;
    while !lonely.sent.is_empty() && Instant::now() < deadline {
        lonely.receive()?;
    }
    Ok(json!({
        "what": "unrelated",
        "clients": options.clients,
        "broadcasts_per_s": (broadcasts as f64 / seconds * 10.0).round() / 10.0,
        "alone": alone,
        "latency": lonely.latency.summary(),
        "echoes_lost": lonely.sent.len(),
        "lost": publisher.outstanding(),
        "gone": crowd.gone() + lonely.crowd.gone(),
    }))
}
