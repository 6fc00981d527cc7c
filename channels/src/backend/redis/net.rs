//! The servers that there are now, and which one serves what.
//!
//! One server, or the one that the Sentinels name, is one node that serves everything. A Cluster is a node for each
//! master; who serves what is asked again where something moved, and every few seconds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deliveries::Deliveries;
use super::dial::{DialError, Dialed, Dialer};
use super::link::Link;
use super::names::{Names, PARTITIONS, Partition};
use super::node::{Node, keep_link, keep_pipe};
use super::subscriptions::{NOWHERE, Subscriptions};
use super::topology;
use crate::backend::{Reports, Sink};
use crate::config::{Address, Config, Servers};

/// How often the topology is asked for, though nothing seems to have changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The shortest time between two looks.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// How long a stop waits for the answers that are under way.
const STOP_WITHIN: Duration = Duration::from_secs(1);
/// Since this version a Cluster has sharded pub/sub.
const SHARDED_SINCE: u32 = 7;

/// Which node serves each partition.
#[derive(Debug)]
struct Map {
    owners: [Option<Arc<Node>>; PARTITIONS],
    nodes: Vec<Arc<Node>>,
}

/// The connections of one process to Redis.
pub(super) struct Net {
    pub(super) dialer: Dialer,
    pub(super) names: Names,
    pub(super) subscriptions: Subscriptions,
    pub(super) reports: Reports,
    /// Nothing for a process that only publishes.
    pub(super) deliveries: Option<Deliveries>,
    map: RwLock<Arc<Map>>,
    /// Interruptions that end when all topics are live, wherever they are now.
    moving: Mutex<Vec<u64>>,
    looking: Mutex<()>,
    /// When it was last as we have it, by the word of a node or of the Sentinels: it may have changed since.
    confirmed: Mutex<SystemTime>,
    sharded: AtomicBool,
    next_node: AtomicU64,
    look: Notify,
    /// Counts how often another process may have taken over, which may know less.
    processes: watch::Sender<u64>,
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Net {
    /// Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// Says in words what of the configuration cannot be used.
    pub(super) fn new(config: &Config, sink: Option<&Arc<OnceLock<Weak<dyn Sink>>>>) -> Result<Arc<Self>, String> {
        let dialer = Dialer::new(config)?;
        let names = Names::new(config.redis_channel_prefix(), dialer.servers.database);
        let reports = Reports::not_started();
        let deliveries = sink.map(|sink| Deliveries::start(&names, sink, &reports));
        let net = Self {
            dialer,
            names,
            subscriptions: Subscriptions::default(),
            reports,
            deliveries,
            map: RwLock::new(Arc::new(Map { owners: [const { None }; PARTITIONS], nodes: Vec::new() })),
            moving: Mutex::default(),
            looking: Mutex::default(),
            confirmed: Mutex::new(SystemTime::now()),
            sharded: AtomicBool::new(false),
            next_node: AtomicU64::new(NOWHERE + 1),
            look: Notify::new(),
            processes: watch::Sender::new(0),
            end: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Arc::new(net))
    }

    fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finds the servers once, and then keeps the connections until [`Net::stop`].
    ///
    /// # Errors
    ///
    /// Why there is no server that could be used.
    pub(super) async fn start(self: &Arc<Self>) -> Result<(), DialError> {
        let probe = match &self.dialer.servers.servers {
            Servers::Single(_) | Servers::Sentinel { .. } => {
                let master = self.dial_master().await?;
                let node = self.node(None);
                self.place(|_| Some(Arc::clone(&node)));
                master
            }
            Servers::Cluster(seeds) => {
                let as_of = SystemTime::now();
                let slots = topology::any_slots(&self.dialer, seeds).await?;
                let first = slots.iter().flatten().next().cloned().unwrap_or_else(|| seeds[0].clone());
                let probe = self.dialer.dial(&first).await?;
                self.sharded.store(probe.hello.major_version >= SHARDED_SINCE, Ordering::Relaxed);
                self.place_slots(&slots, as_of);
                probe
            }
        };
        drop(probe);
        self.spawn(Self::keep_looking(Arc::clone(self)));
        Ok(())
    }

    /// A task that ends with the connections.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        self.tasks.spawn(async move { end.run_until_cancelled(task).await });
    }

    /// Waits until all servers take commands. It does not end where one never does.
    pub(super) async fn opened(&self) {
        for node in &self.map().nodes {
            while !node.pipe.opened().await {}
        }
    }

    /// Ends all connections, after what is under way was answered.
    pub(super) async fn stop(&self) {
        let idle = async {
            while !self.map().nodes.iter().all(|node| node.pipe.is_idle()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(STOP_WITHIN, idle).await;
        self.abandon();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends all connections, now.
    pub(super) fn abandon(&self) {
        self.end.cancel();
        self.reports.connected(Err("the backend was stopped".to_owned()));
    }

    /// A node with connections of its own.
    fn node(self: &Arc<Self>, address: Option<Address>) -> Arc<Node> {
        let id = self.next_node.fetch_add(1, Ordering::Relaxed);
        let link = self.deliveries.is_some().then(|| Link::new(id, self.is_sharded()));
        let node = Arc::new(Node::new(id, address, link));
        let until_gone = |task: futures_util::future::BoxFuture<'static, ()>| {
            let gone = node.gone.clone();
            self.spawn(async move {
                gone.run_until_cancelled(task).await;
            });
        };
        until_gone(Box::pin(keep_pipe(Arc::clone(self), Arc::clone(&node))));
        if node.link.is_some() {
            until_gone(Box::pin(keep_link(Arc::clone(self), Arc::clone(&node))));
        }
        node
    }

    /// Gives the partitions to nodes, and what is subscribed with them.
    ///
    /// How many topics were live until now, and are to be asked for elsewhere.
    fn place(&self, owner: impl Fn(Partition) -> Option<Arc<Node>>) -> usize {
        let owners: [Option<Arc<Node>>; PARTITIONS] =
            std::array::from_fn(|index| owner(Partition(u8::try_from(index).unwrap_or_default())));
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        for owner in owners.iter().flatten() {
            if !nodes.iter().any(|node| node.id == owner.id) {
                nodes.push(Arc::clone(owner));
            }
        }
        let new = Arc::new(Map { owners, nodes });
        let old = std::mem::replace(&mut *self.map.write().unwrap_or_else(PoisonError::into_inner), Arc::clone(&new));
        let moved = self
            .subscriptions
            .moved(|partition| new.owners[partition.index()].as_ref().map_or(NOWHERE, |node| node.id));
        for node in old.nodes.iter().filter(|old| !new.nodes.iter().any(|new| new.id == old.id)) {
            node.gone.cancel();
            self.subscriptions.forget(node.id);
            if let Some(id) = node.take_interruption() {
                self.moving.lock().unwrap_or_else(PoisonError::into_inner).push(id);
            }
        }
        new.nodes.iter().filter_map(|node| node.link.as_ref()).for_each(Link::wake);
        self.changed();
        moved
    }

    /// Who serves what, as it was told after a moment.
    fn place_slots(self: &Arc<Self>, slots: &topology::Slots, as_of: SystemTime) {
        let old = self.map();
        let address_of = |node: &Option<Arc<Node>>| node.as_ref().and_then(|node| node.address.clone());
        if old.owners.iter().map(address_of).eq(slots.iter().cloned()) {
            self.confirm(as_of);
            return;
        }
        let mut known: Vec<Arc<Node>> = old.nodes.clone();
        let mut of = |address: &Address| {
            let found = known.iter().find(|node| node.address.as_ref() == Some(address)).cloned();
            found.unwrap_or_else(|| {
                let node = self.node(Some(address.clone()));
                known.push(Arc::clone(&node));
                node
            })
        };
        let owners: Vec<Option<Arc<Node>>> = slots.iter().map(|slot| slot.as_ref().map(&mut of)).collect();
        let is_first = old.nodes.is_empty();
        let moved = self.place(|partition| owners[partition.index()].clone());
        if moved > 0 && !is_first {
            self.topics_moved("cluster", moved);
        }
        self.confirm(as_of);
        if is_first {
            return;
        }
        tracing::info!(nodes = self.map().nodes.len(), "slots have other servers now");
        // A replica that took over may not know the last that its master did. A slot that moves alone brings its keys.
        let now = self.map();
        if old.nodes.iter().any(|old| !now.nodes.iter().any(|node| node.id == old.id)) {
            self.another_process();
        }
    }

    /// Connects to the server of a node.
    pub(super) async fn dial(&self, node: &Node) -> Result<Dialed, DialError> {
        let Some(address) = &node.address else { return self.dial_master().await };
        is_master(self.dialer.dial(address).await?)
    }

    async fn dial_master(&self) -> Result<Dialed, DialError> {
        match &self.dialer.servers.servers {
            Servers::Single(address) => is_master(self.dialer.dial(address).await?),
            Servers::Sentinel { sentinels, master, login } => {
                let address = topology::master(&self.dialer, sentinels, master, login).await?;
                is_master(self.dialer.dial(&address).await?)
            }
            Servers::Cluster(seeds) => self.dialer.dial(&seeds[0]).await,
        }
    }

    /// Follows the topology.
    async fn keep_looking(self: Arc<Self>) {
        loop {
            let looked_at = Instant::now();
            let _ = timeout(LOOK_EVERY, self.look.notified()).await;
            match &self.dialer.servers.servers {
                Servers::Single(_) => {}
                Servers::Sentinel { sentinels, master, login } => {
                    let as_of = SystemTime::now();
                    self.follow(topology::master(&self.dialer, sentinels, master, login).await, as_of);
                }
                Servers::Cluster(seeds) => self.look_at_slots(seeds).await,
            }
            tokio::time::sleep_until(looked_at + LOOK_AFTER).await;
        }
    }

    fn follow(&self, master: Result<Address, DialError>, as_of: SystemTime) {
        let Ok(master) = master.inspect_err(|error| tracing::debug!(%error, "the Sentinels do not tell")) else {
            return;
        };
        let mut is_followed = true;
        for node in &self.map().nodes {
            let is_elsewhere = node.is_elsewhere(&master);
            is_followed &= !is_elsewhere;
            if is_elsewhere && node.problem().is_none() {
                tracing::warn!(from = node.name(), to = %master, "the Sentinels name another master");
                node.dial_again();
            }
        }
        if is_followed {
            self.confirm(as_of);
        }
    }

    /// Who serves what was then as we have it.
    fn confirm(&self, as_of: SystemTime) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = as_of;
    }

    /// Until when nobody can have published elsewhere, by what we know: another server may hear first of a new master.
    pub(super) fn confirmed(&self) -> SystemTime {
        match &self.dialer.servers.servers {
            Servers::Single(_) => SystemTime::now(),
            _ => *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    async fn look_at_slots(self: &Arc<Self>, seeds: &[Address]) {
        let nodes = self.map().nodes.clone();
        let as_of = SystemTime::now();
        for node in nodes.iter().filter(|node| node.pipe.is_open()) {
            // A node that the others have lost goes on telling what it knew.
            if let Ok(info) = node.pipe.call(redis::cmd("CLUSTER").arg("INFO")).await
                && topology::is_cut_off(&info)
            {
                continue;
            }
            let answer = node.pipe.call(redis::cmd("CLUSTER").arg("SLOTS")).await;
            let slots =
                answer.ok().zip(node.address.as_ref()).and_then(|(answer, from)| topology::read_slots(&answer, from));
            if let Some(slots) = slots.filter(|slots| slots.iter().any(Option::is_some)) {
                return self.place_slots(&slots, as_of);
            }
        }
        match topology::any_slots(&self.dialer, seeds).await {
            Ok(slots) => self.place_slots(&slots, as_of),
            Err(error) => tracing::debug!(%error, "no node of the Cluster tells who serves what"),
        }
    }

    /// The topology may have changed.
    pub(super) fn look_again(&self) {
        self.look.notify_one();
    }

    /// Whether sharded pub/sub is spoken: in a Cluster that has it.
    pub(super) fn is_sharded(&self) -> bool {
        self.sharded.load(Ordering::Relaxed)
    }

    /// The node that serves a partition.
    pub(super) fn owner(&self, partition: Partition) -> Option<Arc<Node>> {
        self.map().owners[partition.index()].clone()
    }

    /// The node at an address, if it is one of ours.
    pub(super) fn node_at(&self, address: &Address) -> Option<Arc<Node>> {
        self.map().nodes.iter().find(|node| node.address.as_ref() == Some(address)).cloned()
    }

    /// Looks whether all is well, after something changed.
    pub(super) fn changed(&self) {
        // One looks at a time: what was seen last is what is told last.
        let _alone = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let map = self.map();
        let nowhere = map.owners.iter().any(Option::is_none);
        let problem = map.nodes.iter().find_map(|node| node.problem().map(|problem| (node.name(), problem)));
        self.reports.connected(match problem {
            Some((name, problem)) if problem.starts_with(&name) => Err(problem),
            Some((name, problem)) => Err(format!("{name}: {problem}")),
            None if nowhere => Err("some slots of the Cluster are served by no server".to_owned()),
            None => Ok(()),
        });
    }

    /// Why a listening connection ended last, if one has.
    pub(super) fn why_a_link_ended(&self) -> Option<Arc<str>> {
        self.map().nodes.iter().find_map(|node| node.why_the_link_ended())
    }

    pub(super) fn lost_a_connection(&self) {
        self.changed();
        self.look_again();
    }

    /// Topics that were live are to be asked for elsewhere: one interruption until all are live there.
    pub(super) fn topics_moved(&self, server: &str, topics: usize) {
        let mut moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if moving.is_empty() {
            let cause = format!("{topics} topics lie at another server now");
            moving.push(self.reports.interrupted(server, cause, self.confirmed()));
        }
        self.settle(&mut moving);
    }

    /// Ends what was interrupted by topics that moved, where all are live; they may be before it was told.
    fn settle(&self, moving: &mut Vec<u64>) {
        if self.subscriptions.displaced() == 0 {
            moving.drain(..).for_each(|id| self.reports.restored(id));
        }
    }

    /// Everything that was live at a node is live again; ends what was interrupted there.
    pub(super) fn complete(&self, node: &Node) {
        if node.is_interrupted() && node.is_listening() && self.subscriptions.displaced_at(node.id) == 0 {
            node.take_interruption().into_iter().for_each(|id| self.reports.restored(id));
        }
        let mut moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if !moving.is_empty() {
            self.settle(&mut moving);
        }
    }

    /// Another process serves us than before, which may know less.
    pub(super) fn another_process(&self) {
        self.processes.send_modify(|times| *times += 1);
    }

    /// Changes whenever [another process](Self::another_process) may have taken over.
    pub(super) fn processes(&self) -> watch::Receiver<u64> {
        self.processes.subscribe()
    }
}

fn is_master(dialed: Dialed) -> Result<Dialed, DialError> {
    if dialed.hello.is_master {
        return Ok(dialed);
    }
    Err(DialError::new(&dialed.address, "it is a replica, which takes no writes"))
}
