//! Every client has one message on its way, and sends the next when it is back.

use std::time::Instant;

use serde_json::{Value, json};

use super::costs::Costs;
use super::crowd::{Crowd, Wait};
use super::latency::{Latency, round};
use super::options::Options;
use super::publish::waiting;
use super::template::{Template, nanos};
use crate::Failure;

const AT_ONCE: usize = 1024;

/// The messages, and when each client sent its own.
struct Echoes {
    template: Template,
    began: Instant,
    sent: Vec<u64>,
    returned: u64,
    strange: u64,
    latency: Latency,
}

impl Echoes {
    fn turn(&mut self, crowd: &mut Crowd, wait: Wait) -> Result<(), Failure> {
        let shortest = self.template.len() as u64 * 9 / 10;
        crowd.turn(wait, |client, link, frame| {
            if frame.length < shortest {
                self.strange += 1;
                return;
            }
            let now = nanos(self.began);
            self.returned += 1;
            self.latency.record(now.saturating_sub(self.sent[client]));
            self.sent[client] = now;
            link.send(self.template.stamped(now));
        })
    }
}

/// # Errors
///
/// As [`Crowd::open`] and [`Crowd::turn`], and if the server has gone.
pub(super) fn run(options: &Options) -> Result<Value, Failure> {
    let mut crowd = Crowd::new(AT_ONCE)?;
    crowd.open(options.target(), options.clients)?;
    crowd.rest(options.settle)?;
    let mut echoes = Echoes {
        template: Template::new("echo", ("room", "bench"), options.size),
        began: Instant::now(),
        sent: vec![0; options.clients],
        returned: 0,
        strange: 0,
        latency: Latency::new()?,
    };
    for client in 0..options.clients {
        let now = nanos(echoes.began);
        echoes.sent[client] = now;
        crowd.send(client, echoes.template.stamped(now));
    }
    let wait = waiting(options);
    let until = |echoes: &mut Echoes, crowd: &mut Crowd, end: Instant| {
        while Instant::now() < end {
            echoes.turn(crowd, wait)?;
        }
        Ok::<_, Failure>(())
    };
    until(&mut echoes, &mut crowd, Instant::now() + options.warmup)?;
    echoes.latency = Latency::new()?;
    let (began, returned, idle, before) = (Instant::now(), echoes.returned, crowd.idle(), Costs::now(options)?);
    until(&mut echoes, &mut crowd, began + options.duration)?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = Costs::now(options)?.since(&before).servers();
    let messages = echoes.returned - returned;
    Ok(json!({
        "what": "echo",
        "clients": options.clients,
        "size": options.size,
        "messages_per_s": (messages as f64 / seconds).round(),
        "cpu_s_per_million": cpu.filter(|_| messages > 0).map(|cpu| round(cpu / (messages as f64 / 1e6))),
        "server_busy": cpu.map(|cpu| round(cpu / seconds)),
        "load_busy": round(1.0 - (crowd.idle() - idle).as_secs_f64() / seconds),
        "latency": echoes.latency.summary(),
        "strange": echoes.strange,
        "gone": crowd.gone(),
    }))
}
