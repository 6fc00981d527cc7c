//! Which topics this server wants to hear, and which ones Redis has acknowledged.
//!
//! The desired set is written first, always; what is missing at the servers is the difference, which the
//! links ask for in batches. So nothing that happens to a connection can make the two disagree for long: after
//! a new connection everything that is wanted is the difference.
//!
//! One step at a time is under way for a channel, so that an acknowledgement is never taken for that of
//! another step.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::names::Partition;

/// How many channels one command names, at most.
pub(super) const BATCH: usize = 512;
/// How long a topic without members stays subscribed: who comes back at once finds it live.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// Names a server of the topology; never used again for another one.
pub(super) type NodeId = u64;
/// The place of what no server serves now.
pub(super) const NOWHERE: NodeId = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not subscribed, and not asked for yet.
    Queued,
    /// Asked for.
    Asked,
    /// Acknowledged: what is published comes.
    Live,
    /// Asked to end.
    Ending,
}

#[derive(Debug)]
struct Entry {
    partition: Partition,
    node: NodeId,
    wanted: bool,
    stage: Stage,
    /// It was live, and is not any more through no wish of ours.
    displaced: bool,
    waiters: Vec<oneshot::Sender<()>>,
}

impl Entry {
    /// Whether somebody wants it, and whether it is live; whether somebody misses it.
    fn counts(&self) -> (bool, bool, bool) {
        (self.wanted, self.stage == Stage::Live, self.wanted && self.displaced)
    }

    fn is_to_be_asked_for(&self) -> bool {
        self.wanted && self.stage == Stage::Queued
    }

    fn displace(&mut self) -> bool {
        let was_heard = self.wanted && self.stage == Stage::Live;
        self.displaced |= was_heard;
        self.stage = Stage::Queued;
        was_heard
    }
}

/// What is to be asked of one server.
#[derive(Debug, Default)]
struct Queue {
    /// What is wanted here and not asked for yet, by partition, since a command of a Cluster is for one slot. What is
    /// not wanted any more is not in it: while nobody can be asked, it is no longer than what is wanted.
    asked_for: BTreeSet<(Partition, Arc<str>)>,
    /// Without members since then, the oldest first.
    lingering: VecDeque<(Instant, Arc<str>)>,
    /// Wanted, live before and not now.
    displaced: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Arc<str>, Entry>,
    queues: HashMap<NodeId, Queue>,
    live: usize,
    /// Wanted and not live.
    pending: usize,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) channels: Vec<Arc<str>>,
    /// Where all of them lie, where a command is for one slot.
    pub(super) partition: Option<Partition>,
}

/// What an acknowledgement or a loss came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// As asked.
    Expected,
    /// As asked, and now nothing that was live before is missing at this server.
    Complete,
    /// The server ended by itself what somebody wants.
    Lost,
    /// The server ended by itself what nobody wants.
    Unasked,
}

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Short: nothing is awaited under it. A topic is placed under it, which looks at who serves what; nobody who holds
    /// that takes this one.
    state: Mutex<State>,
}

impl State {
    fn queue(&mut self, node: NodeId) -> &mut Queue {
        self.queues.entry(node).or_default()
    }

    /// Changes an entry and keeps the counts and queues; the entry is gone where nobody wants it and nothing is under way.
    fn change<T>(&mut self, channel: &str, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(channel)?;
        let (node, before, was_queued) = (entry.node, entry.counts(), entry.is_to_be_asked_for());
        let changed = change(entry);
        // What is live, or what nobody wants, is missed by nobody.
        entry.displaced &= entry.wanted && entry.stage != Stage::Live;
        let (node_now, now, is_queued) = (entry.node, entry.counts(), entry.is_to_be_asked_for());
        let gone = !entry.wanted && entry.stage == Stage::Queued;
        let pending = |(wanted, live, _): (bool, bool, bool)| usize::from(wanted && !live);
        self.live = self.live + usize::from(now.1) - usize::from(before.1);
        self.pending = self.pending + pending(now) - pending(before);
        if before.2 {
            self.queue(node).displaced -= 1;
        }
        if now.2 {
            self.queue(node_now).displaced += 1;
        }
        if (was_queued, node) != (is_queued, node_now) {
            self.move_in_queues(channel, was_queued.then_some(node), is_queued.then_some(node_now));
        }
        if gone {
            self.entries.remove(channel);
        }
        Some(changed)
    }

    fn move_in_queues(&mut self, channel: &str, from: Option<NodeId>, to: Option<NodeId>) {
        let Some((name, entry)) = self.entries.get_key_value(channel) else { return };
        let place = (entry.partition, Arc::clone(name));
        if let Some(node) = from {
            self.queue(node).asked_for.remove(&place);
        }
        if let Some(node) = to {
            self.queue(node).asked_for.insert(place);
        }
    }

    fn linger(&mut self, channel: &str) {
        let Some((name, entry)) = self.entries.get_key_value(channel) else { return };
        let (name, node) = (Arc::clone(name), entry.node);
        self.queue(node).lingering.push_back((Instant::now(), name));
    }

    fn completed(&mut self, node: NodeId) -> Came {
        if self.queue(node).displaced == 0 { Came::Complete } else { Came::Expected }
    }
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel is wanted, at the server that serves it now. Gives what to wait for where it is not live yet.
    ///
    /// Who serves it is asked under the lock: where that changes, [`Subscriptions::moved`] comes after the change, and
    /// so either finds the channel here or has been before it, which then is placed by what is so now.
    pub(super) fn want(
        &self,
        channel: String,
        partition: Partition,
        owner: impl FnOnce() -> NodeId,
    ) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        if !state.entries.contains_key(channel.as_str()) {
            let name: Arc<str> = channel.as_str().into();
            let node = owner();
            // Not wanted yet: the change below counts and queues it.
            let entry =
                Entry { partition, node, wanted: false, stage: Stage::Queued, displaced: false, waiters: Vec::new() };
            state.entries.insert(name, entry);
        }
        let wait = state.change(&channel, |entry| {
            entry.wanted = true;
            (entry.stage != Stage::Live).then(|| {
                let (waiter, wait) = oneshot::channel();
                entry.waiters.retain(|waiter| !waiter.is_closed());
                entry.waiters.push(waiter);
                wait
            })
        });
        wait.flatten()
    }

    /// A channel is not wanted any more. It ends a little later, unless it is wanted again.
    pub(super) fn unwant(&self, channel: &str) {
        let mut state = self.lock();
        let stage = state.change(channel, |entry| {
            entry.wanted = false;
            entry.waiters.clear();
            entry.stage
        });
        if stage == Some(Stage::Live) {
            state.linger(channel);
        }
    }

    /// What to subscribe to at a server: at most [`BATCH`] channels, each command's in one partition where `by_slot`.
    pub(super) fn next(&self, node: NodeId, by_slot: bool) -> Vec<Batch> {
        let mut state = self.lock();
        let mut batches: Vec<Batch> = Vec::new();
        let mut of_last = None;
        for _ in 0..BATCH {
            let Some((partition, name)) = state.queue(node).asked_for.pop_first() else { break };
            if state.change(&name, |entry| entry.ask(node)) != Some(true) {
                continue;
            }
            match batches.last_mut().filter(|_| !by_slot || of_last == Some(partition)) {
                Some(batch) => batch.channels.push(name),
                None => batches.push(Batch { channels: vec![name], partition: by_slot.then_some(partition) }),
            }
            of_last = Some(partition);
        }
        batches
    }

    /// What to unsubscribe from at a server: what nobody has wanted for long enough.
    pub(super) fn ended(&self, node: NodeId, by_slot: bool) -> Vec<Batch> {
        let mut state = self.lock();
        let mut by_partition: BTreeMap<Option<Partition>, Vec<Arc<str>>> = BTreeMap::new();
        for _ in 0..BATCH {
            let queue = state.queue(node);
            if queue.lingering.front().is_none_or(|(since, _)| since.elapsed() < LINGER) {
                break;
            }
            let Some((_, name)) = queue.lingering.pop_front() else { break };
            let partition = state.change(&name, |entry| entry.end(node)).flatten();
            if let Some(partition) = partition {
                by_partition.entry(by_slot.then_some(partition)).or_default().push(name);
            }
        }
        by_partition.into_iter().map(|(partition, channels)| Batch { channels, partition }).collect()
    }

    /// The server says that a subscription began.
    pub(super) fn began(&self, node: NodeId, channel: &str) -> Came {
        let mut state = self.lock();
        let unwanted = state.change(channel, |entry| {
            if entry.node != node || entry.stage != Stage::Asked {
                return false;
            }
            entry.stage = Stage::Live;
            for waiter in entry.waiters.drain(..) {
                // Who has stopped waiting is not told.
                let _ = waiter.send(());
            }
            !entry.wanted
        });
        if unwanted == Some(true) {
            state.linger(channel);
        }
        state.completed(node)
    }

    /// The server says that a subscription ended, which was asked for or not.
    pub(super) fn stopped(&self, node: NodeId, channel: &str) -> Came {
        let mut state = self.lock();
        let before = state.change(channel, |entry| {
            let before = entry.stage;
            if entry.node != node || matches!(before, Stage::Queued | Stage::Asked) {
                return None;
            }
            Some((before, entry.displace()))
        });
        let Some((before, was_heard)) = before.flatten() else { return Came::Unasked };
        match before {
            Stage::Ending => Came::Expected,
            _ if was_heard => Came::Lost,
            _ => Came::Unasked,
        }
    }

    /// The server refused to subscribe: it is asked again.
    pub(super) fn refused(&self, node: NodeId, channels: &[Arc<str>]) {
        let mut state = self.lock();
        for channel in channels {
            state.change(channel, |entry| {
                if entry.node == node && entry.stage == Stage::Asked {
                    entry.stage = Stage::Queued;
                }
            });
        }
    }

    /// The connection to a server ended, and with it all that was subscribed there; how many were wanted.
    pub(super) fn lost(&self, node: NodeId) -> usize {
        self.requeue(|entry| (entry.node == node).then_some(node))
    }

    /// Partitions have other servers now. What moved is asked for there; how many of them somebody misses.
    pub(super) fn moved(&self, owner: impl Fn(Partition) -> NodeId) -> usize {
        self.requeue(|entry| Some(owner(entry.partition)).filter(|now| *now != entry.node))
    }

    /// Puts what belongs to a server (again) into its queue, as not subscribed; how many somebody misses now.
    fn requeue(&self, place: impl Fn(&Entry) -> Option<NodeId>) -> usize {
        let mut state = self.lock();
        let affected: Vec<(Arc<str>, NodeId)> =
            state.entries.iter().filter_map(|(name, entry)| Some((Arc::clone(name), place(entry)?))).collect();
        let mut were_live = 0;
        for (name, node) in affected {
            state.change(&name, |entry| {
                entry.node = node;
                let was_missed = entry.displaced;
                were_live += usize::from(entry.displace() || was_missed);
            });
        }
        were_live
    }

    /// Whether something is to be asked of a server, now.
    pub(super) fn is_waiting(&self, node: NodeId) -> bool {
        !self.lock().queue(node).asked_for.is_empty()
    }

    /// How many are wanted at a server, were live before, and are not now.
    pub(super) fn displaced_at(&self, node: NodeId) -> usize {
        self.lock().queue(node).displaced
    }

    /// The same, everywhere.
    pub(super) fn displaced(&self) -> usize {
        self.lock().queues.values().map(|queue| queue.displaced).sum()
    }

    /// Live ones, and those that are wanted and not live.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.live, state.pending)
    }

    /// A server is gone for good.
    pub(super) fn forget(&self, node: NodeId) {
        self.lock().queues.remove(&node);
    }
}

impl Entry {
    fn ask(&mut self, node: NodeId) -> bool {
        let asks = self.node == node && self.stage == Stage::Queued && self.wanted;
        if asks {
            self.stage = Stage::Asked;
        }
        asks
    }

    fn end(&mut self, node: NodeId) -> Option<Partition> {
        let ends = self.node == node && self.stage == Stage::Live && !self.wanted;
        if ends {
            self.stage = Stage::Ending;
        }
        ends.then_some(self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = 1;
    const OTHER: NodeId = 2;

    fn want(subscriptions: &Subscriptions, channel: &str) -> Option<oneshot::Receiver<()>> {
        subscriptions.want(channel.to_owned(), Partition::of(channel), || NODE)
    }

    fn names(batches: &[Batch]) -> Vec<&str> {
        let mut names: Vec<_> = batches.iter().flat_map(|batch| &batch.channels).map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_when_it_is_live() {
        let all = Subscriptions::default();
        let mut first = want(&all, "a").unwrap();
        let second = want(&all, "a").unwrap();
        assert_eq!(names(&all.next(NODE, false)), ["a"]);
        assert!(all.next(NODE, false).is_empty(), "it is asked for once");
        assert!(first.try_recv().is_err());
        assert_eq!(all.began(NODE, "a"), Came::Complete);
        first.await.unwrap();
        second.await.unwrap();
        assert!(want(&all, "a").is_none(), "it is live");
        assert_eq!(all.counts(), (1, 0));
    }

    fn queued(subscriptions: &Subscriptions, node: NodeId) -> usize {
        subscriptions.lock().queue(node).asked_for.len()
    }

    fn known(subscriptions: &Subscriptions) -> usize {
        subscriptions.lock().entries.len()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_wanted_in_vain_while_nobody_could_be_asked_leaves_nothing() {
        let all = Subscriptions::default();
        let _kept = want(&all, "kept");
        for node in [NODE, NOWHERE] {
            for number in 0..1000 {
                let name = format!("g{}", number % 10);
                let wait = all.want(name.clone(), Partition::of(&name), || node);
                assert!(wait.is_some());
                all.unwant(&name);
            }
        }
        assert_eq!((queued(&all, NODE), queued(&all, NOWHERE)), (1, 0));
        assert_eq!(known(&all), 1);
        assert_eq!(all.counts(), (0, 1));
        // What moves leaves the queue of the server where it was.
        all.moved(|_| OTHER);
        assert_eq!((queued(&all, NODE), queued(&all, OTHER)), (0, 1));
        assert_eq!(names(&all.next(OTHER, true)), ["kept"]);
        all.unwant("kept");
        all.lost(OTHER);
        assert_eq!((queued(&all, OTHER), known(&all)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_without_members_lingers_and_comes_back_for_nothing() {
        let all = Subscriptions::default();
        let _wait = want(&all, "a");
        all.next(NODE, false);
        all.began(NODE, "a");
        all.unwant("a");
        assert!(want(&all, "a").is_none());
        tokio::time::advance(LINGER).await;
        assert!(all.ended(NODE, false).is_empty(), "it is wanted again");
        all.unwant("a");
        assert!(all.ended(NODE, false).is_empty(), "it lingers");
        tokio::time::advance(LINGER).await;
        assert_eq!(names(&all.ended(NODE, false)), ["a"]);
        let again = want(&all, "a").unwrap();
        assert!(all.next(NODE, false).is_empty(), "the end is under way");
        assert_eq!(all.stopped(NODE, "a"), Came::Expected);
        assert_eq!(names(&all.next(NODE, false)), ["a"]);
        all.began(NODE, "a");
        again.await.unwrap();
        all.unwant("a");
        tokio::time::advance(LINGER).await;
        all.ended(NODE, false);
        all.stopped(NODE, "a");
        assert_eq!(all.counts(), (0, 0));
        assert!(all.lock().entries.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_wants_when_it_begins_ends() {
        let all = Subscriptions::default();
        let _wait = want(&all, "a");
        all.next(NODE, false);
        all.unwant("a");
        assert_eq!(all.began(NODE, "a"), Came::Complete);
        tokio::time::advance(LINGER).await;
        assert_eq!(names(&all.ended(NODE, false)), ["a"]);
        let _wait = want(&all, "b");
        all.unwant("b");
        assert!(all.next(NODE, false).is_empty(), "it was never asked for");
        assert_eq!(all.counts(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_new_connection_all_that_is_wanted_is_asked_for() {
        let all = Subscriptions::default();
        for channel in ["live", "asked", "queued", "unwanted"] {
            let _wait = want(&all, channel);
            if channel == "asked" {
                all.next(NODE, false);
            } else if channel != "queued" {
                all.next(NODE, false);
                all.began(NODE, channel);
            }
        }
        all.unwant("unwanted");
        all.next(NODE, false);
        assert_eq!(all.lost(NODE), 1);
        assert_eq!(names(&all.next(NODE, false)), ["asked", "live", "queued"]);
        assert_eq!(all.began(NODE, "asked"), Came::Expected);
        assert_eq!(all.began(NODE, "live"), Came::Complete, "who joined meanwhile was never interrupted");
        assert_eq!(all.began(NODE, "queued"), Came::Complete);
        assert_eq!(all.counts(), (3, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_moves_is_asked_for_at_its_new_server() {
        let all = Subscriptions::default();
        let _wait = want(&all, "a");
        all.next(NODE, true);
        all.began(NODE, "a");
        assert_eq!(all.stopped(NODE, "a"), Came::Lost);
        assert_eq!(all.moved(|_| OTHER), 1, "it is missed still");
        assert!(all.next(NODE, true).is_empty());
        assert_eq!(all.displaced_at(OTHER), 1);
        assert_eq!(names(&all.next(OTHER, true)), ["a"]);
        all.refused(OTHER, &["a".into()]);
        assert_eq!(names(&all.next(OTHER, true)), ["a"]);
        assert_eq!(all.began(NODE, "a"), Came::Complete, "a late word of the old server changes nothing");
        assert_eq!(all.displaced_at(OTHER), 1);
        assert_eq!(all.began(OTHER, "a"), Came::Complete);
        assert_eq!(all.moved(|_| NODE), 1, "a live one that moves is lost for a while");
    }

    /// Else it would wait for ever at a server that does not serve it.
    #[test]
    fn who_joins_beside_a_change_of_the_topology_waits_where_the_topic_is_then() {
        let all = Arc::new(Subscriptions::default());
        let (told, heard) = std::sync::mpsc::channel();
        let mut mover = None;
        let _wait = all.want("a".to_owned(), Partition::of("a"), || {
            let all = Arc::clone(&all);
            mover = Some(std::thread::spawn(move || {
                all.moved(|_| OTHER);
                told.send(()).unwrap();
            }));
            let moved = heard.recv_timeout(Duration::from_millis(100));
            assert!(moved.is_err(), "the topology changed between the look and the wish");
            NODE
        });
        mover.unwrap().join().unwrap();
        assert_eq!((queued(&all, NODE), queued(&all, OTHER)), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn batches_are_bounded_and_of_one_slot() {
        let all = Subscriptions::default();
        let waits: Vec<_> = (0..2 * BATCH + 10).map(|number| want(&all, &format!("group-{number}"))).collect();
        let first = all.next(NODE, true);
        assert_eq!(names(&first).len(), BATCH);
        assert!(first.iter().all(|batch| {
            let of = |name: &Arc<str>| Partition::of(name);
            batch.channels.iter().all(|name| of(name) == of(&batch.channels[0]))
        }));
        assert_eq!(all.next(NODE, false).len(), 1);
        assert_eq!(names(&all.next(NODE, false)).len(), 10);
        drop(waits);
    }
}
