//! This server as one of several: its lease, and what it counts under it.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use futures_util::{TryStreamExt, stream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::counts;
use super::fault::Fault;
use super::lease::{Beat, Lease};
use super::ledger::Ledger;
use super::names::{Kind, PARTITIONS, Partition};
use super::net::Net;
use super::permits::Permits;
use super::servers::{self, About, Seen};
use crate::backend::{Counts, Server, Sink, Topic};
use crate::config::{Config, LimitName};
use crate::id::UserId;

/// How long a change of the number of connections waits for others.
const GATHER: Duration = Duration::from_millis(100);
/// How long what could not be done waits.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long a server that stops may take to say so.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);
/// How many partitions are cleaned up after a server at once: one after the other, a crowd that was spread over all of them
/// would stand there for longer than one server may clean up before another begins, and far from Redis even a server that
/// has nothing any more would not be done in the time that it may take to stop.
const CLEANED_AT_ONCE: usize = 64;
/// Everything is written again this often within the time after which it expires.
const RENEWALS: u32 = 3;

/// What one server shares with the others.
pub(super) struct Membership {
    pub(super) net: Arc<Net>,
    pub(super) lease: Lease,
    pub(super) users: Ledger,
    pub(super) groups: Ledger,
    pub(super) permits: Permits,
    /// The number of connections is to be written.
    pub(super) connections_changed: Notify,
    sink: Arc<OnceLock<Weak<dyn Sink>>>,
    /// How many connections a user may have, over all servers; `None` where that is only observed, and nobody is closed.
    per_user: Option<usize>,
    expiry: Duration,
    /// When this server came, in unix milliseconds.
    since: u64,
    /// Cancelled when it goes: from then on nothing is written under its lease any more, and none is taken.
    leaving: CancellationToken,
    /// What [keeps](Self::keep) it all until then.
    keeping: TaskTracker,
}

fn enforced_per_user(config: &Config) -> Option<usize> {
    let is_observed = config.observe_only().contains(&LimitName::ConnectionsPerUser);
    (!is_observed).then(|| config.max_connections_per_client())
}

impl Membership {
    pub(super) fn new(net: Arc<Net>, config: &Config, sink: Arc<OnceLock<Weak<dyn Sink>>>) -> Self {
        let (registry, groups) = (config.redis_registry_expiry(), config.redis_group_expiry());
        Self {
            net,
            lease: Lease::new(registry, registry.min(groups)),
            users: Ledger::new(Kind::User, registry),
            groups: Ledger::new(Kind::Group, groups),
            permits: Permits::new(registry),
            connections_changed: Notify::new(),
            sink,
            per_user: enforced_per_user(config),
            expiry: registry.min(groups),
            since: servers::unix_millis(SystemTime::now()),
            leaving: CancellationToken::new(),
            keeping: TaskTracker::new(),
        }
    }

    /// Registers this server. Nothing of the others is touched.
    ///
    /// # Errors
    ///
    /// [`Fault`] where that did not happen.
    pub(super) async fn enter(&self) -> Result<(), Fault> {
        self.beat(true).await.map(drop)
    }

    async fn beat(&self, registers: bool) -> Result<Beat, Fault> {
        self.lease.beat(&self.net, self.permits.used(), &self.about(), registers).await
    }

    /// What this server says of itself now.
    fn about(&self) -> About {
        let sink = self.sink();
        let name = sink.as_ref().map(|sink| sink.server_name()).unwrap_or_default();
        About { name, since: self.since, draining: sink.is_some_and(|sink| sink.is_draining()) }
    }

    /// The tasks that keep it all; they end with the connections, or when this server leaves.
    pub(super) fn keep(self: &Arc<Self>) {
        let spawn = |task: futures_util::future::BoxFuture<'static, ()>| {
            let leaving = self.leaving.clone();
            self.net.spawn(self.keeping.track_future(async move {
                leaving.run_until_cancelled(task).await;
            }));
        };
        let of = || Arc::clone(self);
        let own = of();
        spawn(Box::pin(async move { own.keep_beating().await }));
        let own = of();
        spawn(Box::pin(async move { own.keep_telling_connections().await }));
        let own = of();
        spawn(Box::pin(async move { own.permits.keep_returning(&own.net, &own.lease).await }));
        let own = of();
        spawn(Box::pin(async move { own.users.keep_writing(&own.net, &own.lease, |_| None).await }));
        let own = of();
        spawn(Box::pin(async move {
            own.groups.keep_writing(&own.net, &own.lease, |group| Some(own.local_members(group))).await;
        }));
    }

    fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.sink.get().and_then(Weak::upgrade)
    }

    pub(super) fn local_members(&self, group: &str) -> usize {
        self.sink().map_or(0, |sink| sink.local_members(Topic::Group(group)))
    }

    async fn keep_beating(self: &Arc<Self>) {
        let mut processes = self.net.processes();
        processes.mark_unchanged();
        let mut next = Instant::now() + self.lease.every();
        let mut renewed = 0;
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                changed = processes.changed() => {
                    // It fails only with the net, and then this task ends too.
                    let _ = changed;
                    self.take_another_lease("another Redis process answers").await;
                }
            }
            next = Instant::now() + self.lease.every();
            match self.beat(false).await {
                Ok(Beat::Lives { dead, condemned }) => self.bury(dead, condemned).await,
                Ok(Beat::Lost) => self.take_another_lease("it was taken for dead").await,
                Err(fault) => {
                    tracing::debug!(%fault, "nobody heard that this server lives");
                    next = next.min(Instant::now() + AGAIN_AFTER.max(self.lease.every() / 4));
                }
            }
            renewed = self.renew(renewed);
        }
    }

    /// Writes the next part of everything again, before it expires.
    fn renew(&self, from: usize) -> usize {
        let beats = (self.expiry / RENEWALS).as_nanos() / self.lease.every().as_nanos().max(1);
        let part = PARTITIONS.div_ceil(usize::try_from(beats).unwrap_or(usize::MAX).clamp(1, PARTITIONS));
        for step in 0..part {
            let partition = Partition(u8::try_from((from + step) % PARTITIONS).unwrap_or_default());
            self.users.touch_all(partition);
            self.groups.touch_all(partition);
        }
        (from + part) % PARTITIONS
    }

    /// Condemns the dead and cleans up after them.
    async fn bury(self: &Arc<Self>, dead: Vec<(String, u64)>, mut condemned: Vec<String>) {
        for (lease, beat) in dead {
            match self.lease.condemn(&self.net, &lease, Some(beat)).await {
                Ok(true) => {
                    tracing::warn!(lease, "another server is dead; cleaning up after it");
                    condemned.push(lease);
                }
                Ok(false) => {}
                Err(fault) => tracing::debug!(%fault, lease, "cannot condemn a dead server"),
            }
        }
        for lease in condemned {
            let own = Arc::clone(self);
            self.net.spawn(async move {
                if let Err(fault) = own.clean_up(&lease).await {
                    tracing::debug!(%fault, lease, "cannot clean up after a dead server yet");
                }
            });
        }
    }

    /// Takes what a lease counted out of every name, unless another server is doing so.
    async fn clean_up(&self, lease: &str) -> Result<(), Fault> {
        if !self.lease.may_clean(&self.net, lease).await? {
            return Ok(());
        }
        let all = stream::iter(Partition::all().map(Ok));
        all.try_for_each_concurrent(CLEANED_AT_ONCE, |partition| self.clean_up_in(partition, lease)).await?;
        self.lease.cleaned(&self.net, lease).await
    }

    async fn clean_up_in(&self, partition: Partition, lease: &str) -> Result<(), Fault> {
        let held = self.net.names.held(partition, lease);
        let names = self.net.call(partition, redis::cmd("SMEMBERS").arg(&held)).await?;
        let names: Vec<String> = redis::from_redis_value(names).unwrap_or_default();
        for ledger in [&self.users, &self.groups] {
            let of_kind: Vec<_> = names.iter().filter_map(|entry| ledger.name_of(entry)).collect();
            ledger.forget_lease(&self.net, lease, &of_kind).await?;
        }
        Ok(())
    }

    /// Registers as a new server, with all that this one has; gives up what others have taken meanwhile.
    async fn take_another_lease(self: &Arc<Self>, why: &str) {
        let old = self.lease.renew();
        tracing::warn!(%old, new = %self.lease.id(), why, "taking another lease");
        loop {
            match self.write_everything().await {
                Ok(()) => return,
                Err(fault) => tracing::debug!(%fault, "cannot register again yet"),
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn write_everything(self: &Arc<Self>) -> Result<(), Fault> {
        self.beat(true).await?;
        let evict = |user: Option<&str>, too_many: usize| {
            let user = user.and_then(|user| UserId::new(user).ok());
            self.sink().into_iter().for_each(|sink| sink.evict(user.as_ref(), too_many));
        };
        // Without a reserve: that may be what another server uses.
        let too_many = self.permits.rewrite(&self.net, &self.lease, false).await?;
        if too_many > 0 {
            evict(None, too_many);
        }
        let some = |user: &str, too_many: usize| evict(Some(user), too_many);
        let users = self.users.write_all_anew(&self.net, &self.lease, self.per_user, |_| None, some);
        let groups = |group: &str| Some(self.local_members(group));
        let users = users.await;
        let groups = self.groups.write_all_anew(&self.net, &self.lease, None, groups, |_, _| {}).await;
        if !(users && groups) {
            return Err(Fault::not_sent("some numbers could not be written"));
        }
        for former in self.lease.former() {
            self.lease.condemn(&self.net, &former, None).await?;
            self.bury(Vec::new(), vec![former.to_string()]).await;
        }
        Ok(())
    }

    /// Tells the number of connections soon after it changed.
    async fn keep_telling_connections(&self) {
        loop {
            self.connections_changed.notified().await;
            // Under a lease that has been taken away it would stand there for ever.
            match self.beat(false).await {
                Ok(_) => {}
                Err(_) => {
                    tokio::time::sleep(AGAIN_AFTER).await;
                    self.connections_changed.notify_one();
                }
            }
            // The first change is told at once; those that follow gather.
            tokio::time::sleep(GATHER).await;
        }
    }

    /// What all servers have together.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody can tell.
    pub(super) async fn counts(&self) -> Result<Counts, Fault> {
        let all = counts::read(&self.net).await?;
        let is_other = self.lease.is_other();
        let others = all.sums(|lease| !is_other(lease));
        Ok(Counts {
            servers: others.servers + 1,
            connections: others.connections + self.permits.used(),
            users: others.users,
        })
    }

    /// The servers that live, with this one, which knows best of itself.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody can tell.
    pub(super) async fn servers(&self) -> Result<Vec<Server>, Fault> {
        let seen = servers::read(&self.net).await?;
        let is_other = self.lease.is_other();
        let mut itself = self.about().server(&self.lease.id(), self.permits.used());
        itself.is_self = true;
        itself.silent_for = Some(Duration::ZERO);
        let others = seen.into_iter().filter(|seen| is_other(&seen.server.id)).map(|Seen { beat, mut server }| {
            server.silent_for = Some(self.lease.silent_for(&server.id, beat));
            server
        });
        Ok(std::iter::once(itself).chain(others).collect())
    }

    /// Says that this server goes, and takes its numbers along.
    pub(super) async fn leave(&self) {
        self.leaving.cancel();
        self.keeping.close();
        let gone = async {
            // Whoever beats on would take the lease that is given up here for one that was taken away, and register again.
            self.keeping.wait().await;
            // With what is left of those before, where it was about to take another.
            let leases: Vec<_> = std::iter::once(self.lease.id()).chain(self.lease.former()).collect();
            for lease in &leases {
                self.lease.condemn(&self.net, lease, None).await?;
            }
            for lease in &leases {
                self.clean_up(lease).await?;
            }
            Ok::<_, Fault>(())
        };
        match timeout(LEAVES_WITHIN, gone).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::debug!(%fault, "cannot say that this server goes; the others will notice"),
            Err(_) => tracing::debug!("no time to say that this server goes; the others will notice"),
        }
    }
}
