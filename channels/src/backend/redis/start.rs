//! The first connection: quick to say what is wrong, in words for the person who started the program.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::dial::DialError;
use super::membership::Membership;
use super::net::Net;
use super::rates::Rates;
use super::{Fault, Running, publish, want};
use crate::backend::Sink;
use crate::config::Config;
use crate::error::Error;

/// How long a Redis that may still come up is waited for.
const TRIES_FOR: Duration = Duration::from_secs(8);
/// The end of the last try.
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);
/// The wait between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long everything may take once a server has answered.
const READY_WITHIN: Duration = Duration::from_secs(4);

/// Where a backend hands what arrived.
type SinkCell = Arc<OnceLock<Weak<dyn Sink>>>;

/// Connects, registers, and waits until what concerns this server is live.
///
/// # Errors
///
/// `BACKEND_ERROR` that names the URL without its secrets, what was tried, and what to do. Nothing is gained by another
/// try: this was several.
pub(super) async fn start(config: &Config, sink: &SinkCell, incarnation: u64) -> Result<Running, Error> {
    let net = connected(config, Some(sink)).await?;
    let abandoned = Abandoned(Some(&net));
    let members = Arc::new(Membership::new(Arc::clone(&net), config, Arc::clone(sink)));
    let ready = async {
        members.enter().await?;
        for (partition, channel) in publish::always_live(&net.names, incarnation) {
            if let Some(live) = want(&net, partition, channel) {
                live.await.map_err(|_| Fault::not_sent("a subscription was given up"))?;
            }
        }
        Ok::<_, Fault>(())
    };
    is_ready(&net, ready).await?;
    members.keep();
    abandoned.keep();
    Ok(Running { net, members, rates: Rates::default(), incarnation })
}

/// What is to be done as soon as a server has answered.
///
/// # Errors
///
/// As [`start`].
pub(super) async fn is_ready(net: &Net, work: impl Future<Output = Result<(), Fault>>) -> Result<(), Error> {
    match timeout(READY_WITHIN, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => Err(told(net, &fault.to_string())),
        Err(_) => {
            let ended = net.why_a_link_ended().map(|reason| format!(": {reason}")).unwrap_or_default();
            Err(told(net, &format!("it answered, and then not in time{ended}")))
        }
    }
}

/// The connections alone, which are kept from now on.
///
/// # Errors
///
/// As [`start`].
pub(super) async fn connected(config: &Config, sink: Option<&SinkCell>) -> Result<Arc<Net>, Error> {
    let unusable = |problem| Error::backend(problem).with_retryable(false);
    let net = Net::new(config, sink).map_err(unusable)?;
    let abandoned = Abandoned(Some(&net));
    let began = Instant::now();
    let mut tries = 0;
    let mut last = String::new();
    while began.elapsed() < TRIES_FOR {
        tries += 1;
        match timeout_at(began + GIVES_UP_AFTER, open(&net)).await {
            Ok(Ok(())) => {
                abandoned.keep();
                // Who looks at the health now sees it connected.
                net.changed();
                return Ok(net);
            }
            Ok(Err(DialError { address, problem, hopeless })) => {
                last = format!("{address}: {problem}");
                if hopeless {
                    return Err(told(&net, &last));
                }
            }
            Err(_) if last.is_empty() => "it does not answer in time".clone_into(&mut last),
            Err(_) => {}
        }
        sleep(AGAIN_AFTER).await;
    }
    Err(told(&net, &format!("{last} ({tries} tries in {} s)", began.elapsed().as_secs())))
}

/// Finds the servers, and waits until all of them can be talked to.
async fn open(net: &Arc<Net>) -> Result<(), DialError> {
    net.start().await?;
    net.opened().await;
    Ok(())
}

/// What the person at the keyboard reads.
fn told(net: &Net, problem: &str) -> Error {
    let url = &net.dialer.servers.shown;
    let advice = advice(problem);
    let text = format!("Redis cannot be used: REDIS_URL={url}: {problem}. {advice}; BACKEND_TYPE=memory needs none.");
    Error::backend(text).with_retryable(false).with_component("redis")
}

/// What to do about it.
fn advice(problem: &str) -> &'static str {
    let is_about = |words: &[&str]| words.iter().any(|word| problem.contains(word));
    if is_about(&["WRONGPASS", "NOAUTH"]) {
        "Write the user and the password into REDIS_URL, as redis://user:password@host"
    } else if is_about(&["NOPERM"]) {
        "Allow the user what the guide of the Redis backend lists under ACL"
    } else if is_about(&["replica"]) {
        "Name the master in REDIS_URL, or the Sentinels that know it, as redis+sentinel://host/master"
    } else if is_about(&["HELLO"]) {
        "Start a newer Redis there, or set REDIS_URL to where one is"
    } else {
        "Start Redis there, or set REDIS_URL to where it is"
    }
}

/// Ends what was begun, where it came to nothing.
struct Abandoned<'a>(Option<&'a Net>);

impl Abandoned<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(net) = self.0 {
            net.abandon();
        }
    }
}
