//! One server: its pipe for commands, its link for what comes, and the tasks that keep both connected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use redis::Value;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::dial::{DIAL_WITHIN, DialError, Dialed};
use super::fault::ErrorReply;
use super::link::{Hears, Link};
use super::net::Net;
use super::pipe::Pipe;
use super::script::{self, Script};
use super::subscriptions::NodeId;
use crate::config::Address;

/// The wait before the second dial; doubled for each further one, up to [`MAX_REDIAL_AFTER`]. It never gives up.
const REDIAL_AFTER: Duration = Duration::from_millis(20);
/// The longest wait between two dials; chance doubles it at most, which makes the half second that is promised.
const MAX_REDIAL_AFTER: Duration = Duration::from_millis(250);

/// A server of the topology.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    /// Where it is; found anew at every dial where the Sentinels know.
    pub(super) address: Option<Address>,
    pub(super) pipe: Pipe,
    /// Nothing for a process that only publishes.
    pub(super) link: Option<Link>,
    /// It belongs to the topology no more.
    pub(super) gone: CancellationToken,
    /// Raised where another server is to be dialed.
    redial: watch::Sender<u64>,
    listening: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the last dial of each half led: they are dialed apart, and the Sentinels may name another server between.
    led_to: [Option<Address>; 2],
    /// The process there, and the number of the last connection at it that carried commands.
    process: Option<(String, i64)>,
    problem: Option<String>,
    link_ended: Option<Arc<str>>,
    interruption: Option<u64>,
}

/// The two connections of a node.
#[derive(Clone, Copy, Debug)]
enum Half {
    Pipe,
    Link,
}

/// Growing waits with some randomness, so that many servers do not come back at one moment.
fn backoff() -> ExponentialBackoff {
    let growing = ExponentialBuilder::default().with_min_delay(REDIAL_AFTER).with_max_delay(MAX_REDIAL_AFTER);
    growing.with_jitter().without_max_times().build()
}

async fn wait(backoff: &mut ExponentialBackoff) {
    tokio::time::sleep(backoff.next().unwrap_or(MAX_REDIAL_AFTER)).await;
}

impl Node {
    pub(super) fn new(id: NodeId, address: Option<Address>, link: Option<Link>) -> Self {
        Self {
            id,
            address,
            pipe: Pipe::default(),
            link,
            gone: CancellationToken::new(),
            redial: watch::Sender::new(0),
            listening: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it is called in reports.
    pub(super) fn name(&self) -> String {
        let state = self.lock();
        let led_to = state.led_to.iter().flatten().next();
        led_to.or(self.address.as_ref()).map_or_else(|| "redis".to_owned(), ToString::to_string)
    }

    /// Whether a connection of it leads to another server than this.
    pub(super) fn is_elsewhere(&self, master: &Address) -> bool {
        self.lock().led_to.iter().flatten().any(|led_to| led_to != master)
    }

    /// Why it cannot be used now, if it cannot.
    pub(super) fn problem(&self) -> Option<String> {
        let is_deaf = self.link.is_some() && !self.listening.load(Ordering::Acquire);
        if !is_deaf && self.pipe.is_open() {
            return None;
        }
        let lost = || self.pipe.problem().map_or_else(|| "nothing is heard".to_owned(), |reason| reason.to_string());
        Some(self.lock().problem.clone().unwrap_or_else(lost))
    }

    /// Ends both connections; the next dial finds another server.
    pub(super) fn dial_again(&self) {
        self.redial.send_modify(|times| *times += 1);
    }

    fn dialed(&self, half: Half, dialed: &Result<Dialed, DialError>) {
        match dialed {
            Ok(dialed) => self.led_to(half, &dialed.address),
            Err(error) => self.lock().problem = Some(error.to_string()),
        }
    }

    fn led_to(&self, half: Half, address: &Address) {
        let mut state = self.lock();
        state.led_to[half as usize] = Some(address.clone());
        state.problem = None;
    }

    /// Interrupts once, until it is complete again.
    fn interrupted(&self, net: &Net, cause: &str) {
        let Some(link) = &self.link else { return };
        let since = link.complete_until().min(net.confirmed());
        let name = self.name();
        let mut state = self.lock();
        if state.interruption.is_none() {
            state.interruption = Some(net.reports.interrupted(name, cause, since));
        }
    }

    /// The interruption of this node, if one is open; it is closed with it.
    pub(super) fn take_interruption(&self) -> Option<u64> {
        self.lock().interruption.take()
    }

    /// Why the listening connection ended last, if it has.
    pub(super) fn why_the_link_ended(&self) -> Option<Arc<str>> {
        self.lock().link_ended.clone()
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.lock().interruption.is_some()
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }
}

/// Keeps a node's pipe connected.
pub(super) async fn keep_pipe(net: Arc<Net>, node: Arc<Node>) {
    let mut waits = backoff();
    let mut redial = node.redial.subscribe();
    loop {
        redial.mark_unchanged();
        let dialed = connect(&net, &node).await;
        node.dialed(Half::Pipe, &dialed);
        match dialed {
            Ok(dialed) => {
                let run = node.pipe.run(dialed);
                let opened = async {
                    node.pipe.opened().await;
                    net.changed();
                    std::future::pending::<()>().await;
                };
                let reason = tokio::select! {
                    reason = run => reason,
                    () = opened => unreachable!("it never ends"),
                    _ = redial.changed() => Arc::from("another server is the master now"),
                };
                tracing::warn!(server = node.name(), %reason, "the connection for commands ended");
                waits = backoff();
            }
            Err(error) => tracing::debug!(%error, "no connection for commands"),
        }
        net.lost_a_connection();
        wait(&mut waits).await;
    }
}

/// A connection that is ready for commands.
async fn connect(net: &Net, node: &Node) -> Result<Dialed, DialError> {
    let mut dialed = net.dial(node).await?;
    // Nothing watches it yet: whatever swallows it now would be waited for until the end of the process.
    let introduced = timeout(DIAL_WITHIN, introduce(net, node, &mut dialed)).await;
    introduced.unwrap_or_else(|_| Err(DialError::late(&dialed.address, DIAL_WITHIN)))?;
    Ok(dialed)
}

/// Learns which process it is, ends what our last connection there may still have to say, and loads the scripts.
async fn introduce(net: &Net, node: &Node, dialed: &mut Dialed) -> Result<(), DialError> {
    let info = dialed.ask_all(&[redis::cmd("INFO").arg("server").to_owned()]).await?;
    // It may not be allowed. Then any connection may be one to another process.
    let run_id = info.first().and_then(run_id).unwrap_or_else(|| format!("unknown-{}", dialed.hello.id));
    let before = node.lock().process.clone();
    let mut cmds = Vec::new();
    if let Some((_, predecessor)) = before.as_ref().filter(|(process, _)| *process == run_id) {
        // What is still in its socket is never carried out, so nothing old comes after anything new.
        cmds.push(redis::cmd("CLIENT").arg("KILL").arg("ID").arg(*predecessor).to_owned());
    }
    cmds.extend(script::all().map(Script::load));
    for answer in dialed.ask_all(&cmds).await? {
        // Who only publishes may not be allowed to; where they are needed, the refusal comes back then.
        if let Value::ServerError(error) = answer {
            tracing::debug!(error = %ErrorReply::from(&error), "a new connection may not do everything");
        }
    }
    // Not before: where this one has ended meanwhile, it carried nothing, and the one before may still be there.
    let is_another = before.is_some_and(|(process, _)| process != run_id);
    node.lock().process = Some((run_id, dialed.hello.id));
    if is_another {
        net.another_process();
    }
    Ok(())
}

fn run_id(info: &Value) -> Option<String> {
    let text: String = redis::from_redis_value_ref(info).ok()?;
    text.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().to_owned())
}

/// Keeps a node's link connected.
pub(super) async fn keep_link(net: Arc<Net>, node: Arc<Node>) {
    let (Some(link), Some(deliveries)) = (&node.link, &net.deliveries) else { return };
    let mut waits = backoff();
    let mut redial = node.redial.subscribe();
    let hears = Listener { net: &net, node: &node };
    loop {
        redial.mark_unchanged();
        let dialed = net.dial(&node).await;
        node.dialed(Half::Link, &dialed);
        match dialed {
            Ok(dialed) => {
                node.listening.store(true, Ordering::Release);
                hears.complete();
                net.changed();
                let reason = tokio::select! {
                    reason = link.run(dialed, &net.subscriptions, deliveries, &hears) => reason,
                    _ = redial.changed() => Arc::from("another server is the master now"),
                };
                node.listening.store(false, Ordering::Release);
                node.lock().link_ended = Some(Arc::clone(&reason));
                // Where nothing was live, nothing can be lost.
                if net.subscriptions.lost(node.id) > 0 {
                    node.interrupted(&net, &reason);
                }
                waits = backoff();
            }
            Err(error) => tracing::debug!(%error, "no connection to listen to"),
        }
        net.lost_a_connection();
        wait(&mut waits).await;
    }
}

struct Listener<'a> {
    net: &'a Net,
    node: &'a Node,
}

impl Hears for Listener<'_> {
    fn complete(&self) {
        self.net.complete(self.node);
    }

    fn slots_moved(&self, lost: usize) {
        if lost > 0 {
            self.net.topics_moved(&self.node.name(), lost);
        }
        self.net.look_again();
    }

    fn overflowed(&self, messages: usize) {
        let cause = format!("{messages} messages came faster than they could be delivered");
        let id = self.net.reports.interrupted(self.node.name(), cause, std::time::SystemTime::now());
        self.net.reports.restored(id);
    }

    fn is_publishing(&self) -> bool {
        !self.node.pipe.is_idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else it would send to one master and hear another, for as long as both live, and nobody would be told.
    #[test]
    fn a_node_of_which_one_half_alone_found_the_new_master_is_elsewhere() {
        let [old, new] = ["old", "new"].map(|host| Address::Tcp(host.to_owned(), 6379));
        let node = Node::new(1, None, None);
        assert!(!node.is_elsewhere(&new), "it has not been anywhere yet");
        node.led_to(Half::Pipe, &old);
        node.led_to(Half::Link, &old);
        assert!(!node.is_elsewhere(&old) && node.is_elsewhere(&new));
        node.led_to(Half::Link, &new);
        assert!(node.is_elsewhere(&new), "commands go to the old one still");
        node.led_to(Half::Pipe, &new);
        assert!(!node.is_elsewhere(&new));
    }

    #[test]
    fn redis_is_dialed_again_after_half_a_second_at_the_latest() {
        let longest = (0..100).flat_map(|_| backoff().take(100)).max();
        assert!(longest.is_some_and(|longest| longest <= Duration::from_millis(500)), "{longest:?}");
        assert!(longest > Some(MAX_REDIAL_AFTER), "chance has its part");
    }
}
