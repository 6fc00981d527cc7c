//! How many this server has of each name: connections of users, members of groups.
//!
//! A name's hash in Redis maps leases to numbers. This server writes only its own field, and always the whole number,
//! so that writing it again, or after an answer that never came, changes nothing. What it wrote last is behind what
//! it has; whatever changed is written within moments, and everything from time to time, which renews what expires.
//!
//! The lock of a shard is held while a number is computed and put into the pipe, so that Redis sees the numbers of
//! a name in the order in which they were true.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::{Cmd, Value};
use tokio::sync::{Notify, oneshot};

use super::fault::Fault;
use super::lease::Lease;
use super::names::{Kind, PARTITIONS, Partition};
use super::net::Net;
use super::pipe::{Answer, answered};
use super::script;

/// How long changes gather before they are written.
const GATHER: Duration = Duration::from_millis(20);
/// How long what could not be written waits.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How many numbers are under way at once.
const AT_ONCE: usize = 512;

/// What this server has of one name.
#[derive(Debug, Default)]
struct Count {
    /// Admitted.
    live: usize,
    /// In the pipe, and not answered yet.
    asked: usize,
    /// To be written.
    dirty: bool,
    /// A number of it was handed over: Redis may have one.
    told: bool,
}

#[derive(Debug, Default)]
struct Shard {
    counts: HashMap<Arc<str>, Count>,
    /// In this order, so that what cannot be written keeps nothing from being looked at.
    dirty: VecDeque<Arc<str>>,
}

impl Shard {
    fn touch(&mut self, name: &Arc<str>) -> bool {
        let count = self.counts.entry(Arc::clone(name)).or_default();
        let is_new = !std::mem::replace(&mut count.dirty, true);
        if is_new {
            self.dirty.push_back(Arc::clone(name));
        }
        is_new
    }

    /// The next number to write, and its name. What this server has none of, and Redis was never told of, is forgotten: so
    /// nothing gathers while nobody can be told.
    fn next(&mut self, current: impl Fn(&str) -> Option<usize>) -> Option<(Arc<str>, usize)> {
        while let Some(name) = self.dirty.pop_front() {
            let Entry::Occupied(mut entry) = self.counts.entry(Arc::clone(&name)) else { continue };
            let count = entry.get_mut();
            count.dirty = false;
            if let Some(now) = current(&name) {
                count.live = now;
            }
            match count.live + count.asked {
                0 if !count.told => drop(entry.remove()),
                value => return Some((name, value)),
            }
        }
        None
    }

    fn told(&mut self, name: &str) {
        if let Some(count) = self.counts.get_mut(name) {
            count.told = true;
        }
    }
}

/// The numbers of one kind.
pub(super) struct Ledger {
    kind: Kind,
    expiry: Duration,
    shards: Vec<Mutex<Shard>>,
    changed: Notify,
    /// Held by who writes: what is written anew, as far as a limit allows, is not written by another without one.
    writing: tokio::sync::Mutex<()>,
}

/// One number on its way.
struct Written {
    name: Arc<str>,
    partition: Partition,
    value: usize,
    asked: Result<oneshot::Receiver<Answer>, Fault>,
}

/// What becomes of what is dirty, once through all partitions.
#[derive(Default)]
struct Pass {
    under_way: Vec<Written>,
    failed: Vec<(Partition, Arc<str>)>,
    /// It helps to try again at once.
    recovers: bool,
}

/// How a number is to be written.
#[derive(Clone, Copy)]
enum Limit {
    /// As it is.
    None,
    /// Not at all, where it would exceed the limit.
    Whole(usize),
    /// As much of it as the limit allows.
    Part(usize),
}

impl Ledger {
    pub(super) fn new(kind: Kind, expiry: Duration) -> Self {
        let shards = (0..PARTITIONS).map(|_| Mutex::default()).collect();
        Self { kind, expiry, shards, changed: Notify::new(), writing: tokio::sync::Mutex::default() }
    }

    fn lock(&self, partition: Partition) -> MutexGuard<'_, Shard> {
        self.shards[partition.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, net: &Net, lease: &Lease, name: &str, value: usize, limit: Limit) -> Cmd {
        let partition = Partition::of(name);
        let own = lease.id();
        let keys = self.keys(net, partition, name, &own);
        let (limit, part) = match limit {
            Limit::None => (-1, 0),
            Limit::Whole(limit) => (i64::try_from(limit).unwrap_or(i64::MAX), 0),
            Limit::Part(limit) => (i64::try_from(limit).unwrap_or(i64::MAX), 1),
        };
        let mut cmd = script::COUNT.call(&keys);
        cmd.arg(&*own).arg(name).arg(self.entry(name)).arg(value).arg(limit).arg(part).arg(millis(self.expiry));
        for dead in &*lease.dead() {
            cmd.arg(&**dead);
        }
        cmd
    }

    fn keys(&self, net: &Net, partition: Partition, name: &str, lease: &str) -> [String; 3] {
        [net.names.counts(self.kind, name), net.names.known(self.kind, partition), net.names.held(partition, lease)]
    }

    fn entry(&self, name: &str) -> String {
        format!("{}:{name}", self.kind.letter())
    }

    /// The name behind an entry of this kind.
    pub(super) fn name_of(&self, entry: &str) -> Option<String> {
        entry.strip_prefix(self.kind.letter())?.strip_prefix(':').map(str::to_owned)
    }

    /// Takes a place for one more of a name, where all servers together have less than the limit.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody can tell; then nothing is taken.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is taken: what was written is corrected.
    pub(super) async fn admit(&self, net: &Net, lease: &Lease, name: &str, limit: usize) -> Result<bool, Fault> {
        let partition = Partition::of(name);
        let name: Arc<str> = Arc::from(name);
        for _ in 0..2 {
            net.ready(partition).await;
            let (place, asked) = self.ask(net, lease, &name, partition, limit)?;
            let fault = match answered(asked).await {
                Ok(Value::Int(-1)) => return Ok(false),
                Ok(_) => {
                    place.take();
                    return Ok(true);
                }
                Err(fault) => fault,
            };
            // Not granted: whoever asks before this one asks again is not to count it.
            drop(place);
            if !net.recovers(partition, &fault).await {
                return Err(fault);
            }
        }
        Err(Fault::not_sent("the servers of the Cluster change"))
    }

    /// Asks for one place more than there are and than are asked for. It counts from the moment on in which its command is
    /// in the pipe, and not while it waits for a connection: of many who wait for one, the first asks for one place, and the
    /// last for all.
    fn ask<'a>(
        &'a self,
        net: &Net,
        lease: &Lease,
        name: &'a Arc<str>,
        partition: Partition,
        limit: usize,
    ) -> Result<(AskedPlace<'a>, oneshot::Receiver<Answer>), Fault> {
        let mut shard = self.lock(partition);
        let value = shard.counts.get(name).map_or(0, |count| count.live + count.asked) + 1;
        let asked = net.try_call(partition, &self.command(net, lease, name, value, Limit::Whole(limit)))?;
        let count = shard.counts.entry(Arc::clone(name)).or_default();
        count.asked += 1;
        count.told = true;
        Ok((AskedPlace { ledger: self, name, partition, taken: false }, asked))
    }

    /// Takes a place without asking anybody, unless this server alone has as many as may be.
    pub(super) fn admit_locally(&self, name: &str, limit: usize) -> bool {
        let partition = Partition::of(name);
        let name: Arc<str> = Arc::from(name);
        let mut shard = self.lock(partition);
        let count = shard.counts.entry(Arc::clone(&name)).or_default();
        let is_free = count.live < limit;
        if is_free {
            count.live += 1;
        }
        shard.touch(&name);
        drop(shard);
        self.changed.notify_one();
        is_free
    }

    /// Gives a place back.
    pub(super) fn release(&self, name: &str) {
        let name: Arc<str> = Arc::from(name);
        let mut shard = self.lock(Partition::of(&name));
        if let Some(count) = shard.counts.get_mut(&name) {
            count.live = count.live.saturating_sub(1);
        }
        shard.touch(&name);
        drop(shard);
        self.changed.notify_one();
    }

    /// The number of a name has changed, and is asked for when it is written.
    pub(super) fn touch(&self, name: &str) {
        let partition = Partition::of(name);
        let mut shard = self.lock(partition);
        let name = match shard.counts.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        if shard.touch(&name) {
            drop(shard);
            self.changed.notify_one();
        }
    }

    /// Writes again what lies in a partition, which also renews it.
    pub(super) fn touch_all(&self, partition: Partition) {
        let mut shard = self.lock(partition);
        let names: Vec<_> = shard.counts.keys().cloned().collect();
        for name in &names {
            shard.touch(name);
        }
        drop(shard);
        if !names.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Writes what changed, for ever. `current` tells the number of a name where it is not counted here.
    pub(super) async fn keep_writing(&self, net: &Net, lease: &Lease, current: impl Fn(&str) -> Option<usize>) {
        loop {
            self.changed.notified().await;
            let alone = self.writing.lock().await;
            let done = self.write(net, lease, Limit::None, &current, |_, _| {}).await;
            drop(alone);
            if !done {
                tokio::time::sleep(AGAIN_AFTER).await;
                self.changed.notify_one();
            }
            // The first change is written at once, so that others see it soon; those that follow gather.
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Writes everything under a new lease, as far as the limit allows; who has too many is told.
    pub(super) async fn write_all_anew(
        &self,
        net: &Net,
        lease: &Lease,
        limit: Option<usize>,
        current: impl Fn(&str) -> Option<usize>,
        too_many: impl Fn(&str, usize),
    ) -> bool {
        let _alone = self.writing.lock().await;
        Partition::all().for_each(|partition| self.touch_all(partition));
        self.write(net, lease, limit.map_or(Limit::None, Limit::Part), &current, too_many).await
    }

    /// Writes what is dirty; whether all of it was written. The partitions are not waited for one after the other: a crowd is
    /// in all of them, and a round trip for each would be seconds, far from Redis longer than a server may be silent.
    async fn write(
        &self,
        net: &Net,
        lease: &Lease,
        limit: Limit,
        current: &impl Fn(&str) -> Option<usize>,
        too_many: impl Fn(&str, usize),
    ) -> bool {
        loop {
            let mut pass = Pass::default();
            for partition in Partition::all() {
                while self.write_some(partition, net, lease, limit, current, &mut pass.under_way) {
                    self.settle(net, &mut pass, &too_many).await;
                }
            }
            self.settle(net, &mut pass, &too_many).await;
            // Not before: what cannot be written would keep the others from their turn.
            for (partition, name) in &pass.failed {
                self.lock(*partition).touch(name);
            }
            if !pass.recovers {
                return pass.failed.is_empty();
            }
        }
    }

    /// Puts what is dirty of a partition into the pipe, until as much is under way as may be; whether that is so.
    fn write_some(
        &self,
        partition: Partition,
        net: &Net,
        lease: &Lease,
        limit: Limit,
        current: &impl Fn(&str) -> Option<usize>,
        under_way: &mut Vec<Written>,
    ) -> bool {
        let mut shard = self.lock(partition);
        while under_way.len() < AT_ONCE {
            let Some((name, value)) = shard.next(current) else { return false };
            let asked = net.try_call(partition, &self.command(net, lease, &name, value, limit));
            if asked.is_ok() {
                shard.told(&name);
            }
            under_way.push(Written { name, partition, value, asked });
        }
        true
    }

    /// Waits for what is under way.
    async fn settle(&self, net: &Net, pass: &mut Pass, too_many: &impl Fn(&str, usize)) {
        for Written { name, partition, value, asked } in std::mem::take(&mut pass.under_way) {
            let answer = match asked {
                Ok(asked) => answered(asked).await,
                Err(fault) => Err(fault),
            };
            match answer {
                Ok(Value::Int(granted)) => {
                    let granted = usize::try_from(granted).unwrap_or(0);
                    self.forget_if_none(partition, &name);
                    if granted < value {
                        too_many(&name, value - granted);
                    }
                }
                Ok(_) => {}
                Err(fault) => {
                    // Once in a pass: it takes a moment, and who failed for another reason does so again in the next.
                    pass.recovers = pass.recovers || net.recovers(partition, &fault).await;
                    pass.failed.push((partition, name));
                }
            }
        }
    }

    fn forget_if_none(&self, partition: Partition, name: &Arc<str>) {
        if let Entry::Occupied(count) = self.lock(partition).counts.entry(Arc::clone(name)) {
            let Count { live, asked, dirty, .. } = count.get();
            if *live == 0 && *asked == 0 && !dirty {
                count.remove();
            }
        }
    }

    /// Takes what a dead server counted out of one partition's names.
    ///
    /// # Errors
    ///
    /// [`Fault`] where some of it may still be there.
    pub(super) async fn forget_lease(&self, net: &Net, lease: &str, names: &[String]) -> Result<(), Fault> {
        for some in names.chunks(AT_ONCE) {
            let forget = |name: &String| {
                let partition = Partition::of(name);
                let mut cmd = script::COUNT.call(&self.keys(net, partition, name, lease));
                cmd.arg(lease).arg(name).arg(self.entry(name)).arg(0).arg(-1).arg(0).arg(millis(self.expiry));
                net.call_owned(partition, cmd)
            };
            try_join_all(some.iter().map(forget)).await?;
        }
        Ok(())
    }

    /// How many all servers have of a name; the dead have none.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody can tell.
    pub(super) async fn total(&self, net: &Net, lease: &Lease, name: &str, own: usize) -> Result<usize, Fault> {
        let all = net.call(Partition::of(name), redis::cmd("HGETALL").arg(net.names.counts(self.kind, name))).await?;
        let all: HashMap<String, usize> = redis::from_redis_value(all).unwrap_or_default();
        Ok(own + lease.of_others(&all))
    }

    /// How many there are of a name on this server.
    pub(super) fn local(&self, name: &str) -> usize {
        self.lock(Partition::of(name)).counts.get(name).map_or(0, |count| count.live)
    }
}

/// A place that is asked for. Dropped without having been granted, it is none, and what was written is corrected.
struct AskedPlace<'a> {
    ledger: &'a Ledger,
    name: &'a Arc<str>,
    partition: Partition,
    taken: bool,
}

impl AskedPlace<'_> {
    fn take(mut self) {
        self.taken = true;
    }
}

impl Drop for AskedPlace<'_> {
    fn drop(&mut self) {
        let mut shard = self.ledger.lock(self.partition);
        if let Some(count) = shard.counts.get_mut(self.name) {
            count.asked = count.asked.saturating_sub(1);
            count.live += usize::from(self.taken);
        }
        if !self.taken {
            shard.touch(self.name);
            drop(shard);
            self.ledger.changed.notify_one();
        }
    }
}

/// As Redis takes expiries; never nothing.
pub(super) fn millis(period: Duration) -> u64 {
    u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Arc<str> {
        number.to_string().into()
    }

    #[test]
    fn who_came_in_vain_while_nobody_could_be_told_is_forgotten() {
        let mut shard = Shard::default();
        for number in 0..1000 {
            shard.touch(&name(number));
        }
        shard.counts.entry(name(0)).or_default().live = 1;
        shard.told(&name(1));
        let members = |group: &str| (group == "2").then_some(3);
        let mut next = || shard.next(members).map(|(name, value)| (name.to_string(), value));
        assert_eq!(next(), Some(("0".to_owned(), 1)));
        assert_eq!(next(), Some(("1".to_owned(), 0)), "Redis may have a number of it");
        assert_eq!(next(), Some(("2".to_owned(), 3)));
        assert_eq!(next(), None);
        assert_eq!((shard.counts.len(), shard.dirty.len()), (3, 0));
    }

    #[test]
    fn what_cannot_be_written_waits_behind_the_others() {
        let mut shard = Shard::default();
        for number in 0..2 {
            shard.touch(&name(number));
            shard.told(&name(number));
        }
        let (first, _) = shard.next(|_| None).unwrap();
        shard.touch(&first);
        assert_eq!(shard.next(|_| None), Some((name(1), 0)));
        assert_eq!(shard.next(|_| None), Some((name(0), 0)));
    }
}
