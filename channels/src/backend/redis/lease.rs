//! Who lives: each server counts up in one hash, and looks whether the others do.
//!
//! A server that stands still for [`DEAD_AFTER`] by the clock of an observer that saw Redis all that time is
//! dead. Its lease is condemned in one step, and whoever did that cleans up what it had counted; if that one dies
//! too, another goes on. A server that finds its own lease taken away, or that meets another Redis process which may
//! know less, takes a new lease and writes everything anew.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::fault::Fault;
use super::ledger::millis;
use super::names::Partition;
use super::net::Net;
use super::script;
use super::servers::About;

/// How often a server says that it lives.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How long a beat must stand still.
const DEAD_AFTER: Duration = Duration::from_secs(20);
/// How long somebody may clean up before another one does.
const CLEANS_WITHIN: Duration = Duration::from_secs(30);

/// This server's place among the others.
#[derive(Debug)]
pub(super) struct Lease {
    id: RwLock<Arc<str>>,
    /// Whose numbers count for nothing.
    dead: RwLock<Arc<[Arc<str>]>>,
    /// Our own before this one, until nothing is left of them; some of the dead.
    former: Mutex<Vec<Former>>,
    peers: Mutex<Peers>,
    expiry: Duration,
    every: Duration,
}

#[derive(Debug)]
struct Former {
    lease: Arc<str>,
    /// It was taken away; before, nobody else cleans up.
    condemned: bool,
}

#[derive(Debug, Default)]
struct Peers {
    /// The beat of each, and when it was first seen.
    seen: HashMap<String, (u64, Instant)>,
    last_contact: Option<Instant>,
}

/// What a beat brought.
pub(super) enum Beat {
    /// The servers that have just been found dead, and those that are still to be cleaned up after.
    Lives { dead: Vec<(String, u64)>, condemned: Vec<String> },
    /// The lease has been taken away.
    Lost,
}

fn new_id() -> Arc<str> {
    Arc::from(format!("{:016x}", Uuid::now_v7().as_u64_pair().1))
}

impl Peers {
    /// Who has stood still for too long, by the beats that were just read.
    fn observe(&mut self, own: &str, beats: &HashMap<String, u64>, every: Duration) -> Vec<(String, u64)> {
        let now = Instant::now();
        // Who did not look, saw nobody stand still.
        let is_continuous = self.last_contact.is_some_and(|last| now - last < 2 * every);
        self.last_contact = Some(now);
        self.seen.retain(|lease, _| beats.contains_key(lease));
        let mut dead = Vec::new();
        for (lease, beat) in beats.iter().filter(|(lease, _)| *lease != own) {
            let seen = self.seen.entry(lease.clone()).or_insert((*beat, now));
            if seen.0 != *beat || !is_continuous {
                *seen = (*beat, now);
            } else if now - seen.1 >= DEAD_AFTER {
                dead.push((lease.clone(), *beat));
            }
        }
        dead
    }
}

impl Lease {
    /// With the expiry of what is written, and the shortest of all.
    pub(super) fn new(expiry: Duration, shortest: Duration) -> Self {
        Self {
            id: RwLock::new(new_id()),
            dead: RwLock::new(Arc::from([])),
            former: Mutex::default(),
            peers: Mutex::default(),
            expiry,
            every: BEAT_EVERY.min(shortest / 3),
        }
    }

    /// The time between two beats.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    pub(super) fn id(&self) -> Arc<str> {
        Arc::clone(&self.id.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn dead(&self) -> Arc<[Arc<str>]> {
        Arc::clone(&self.dead.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn bury(&self, dead: impl IntoIterator<Item = String>) {
        let former = self.former();
        let all: HashSet<Arc<str>> = dead.into_iter().map(Arc::from).chain(former).collect();
        *self.dead.write().unwrap_or_else(PoisonError::into_inner) = all.into_iter().collect();
    }

    /// Another lease; the one before is dead at once.
    pub(super) fn renew(&self) -> Arc<str> {
        let old = std::mem::replace(&mut *self.id.write().unwrap_or_else(PoisonError::into_inner), new_id());
        self.lock_former().push(Former { lease: Arc::clone(&old), condemned: false });
        let before = self.dead();
        self.bury(before.iter().map(ToString::to_string));
        old
    }

    /// Our own leases before this one, of which something may be left.
    pub(super) fn former(&self) -> Vec<Arc<str>> {
        self.lock_former().iter().map(|former| Arc::clone(&former.lease)).collect()
    }

    fn lock_former(&self) -> MutexGuard<'_, Vec<Former>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(net: &Net) -> [String; 5] {
        ["servers", "connections", "permits", "condemned", "about"].map(|name| net.names.common(name))
    }

    /// Says that this server lives, and what else there is to say of it, and hears of the others.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody heard it.
    pub(super) async fn beat(
        &self,
        net: &Net,
        connections: usize,
        about: &About,
        registers: bool,
    ) -> Result<Beat, Fault> {
        let own = self.id();
        let mut cmd = script::BEAT.call(&Self::keys(net));
        cmd.arg(&*own).arg(connections).arg(millis(self.expiry)).arg(u8::from(registers)).arg(about.text());
        let answer = net.call(Partition::COMMON, &cmd).await?;
        let Value::Array(_) = answer else { return Ok(Beat::Lost) };
        let (beats, condemned): (HashMap<String, u64>, Vec<String>) =
            redis::from_redis_value(answer).map_err(|error| Fault::not_sent(error.to_string()))?;
        let dead = self.peers.lock().unwrap_or_else(PoisonError::into_inner).observe(&own, &beats, self.every);
        // Somebody else may have cleaned up after a lease of ours.
        let is_left = |former: &Former| !former.condemned || condemned.iter().any(|lease| **lease == *former.lease);
        self.lock_former().retain(is_left);
        self.bury(dead.iter().map(|(lease, _)| lease.clone()).chain(condemned.iter().cloned()));
        Ok(Beat::Lives { dead, condemned })
    }

    /// Takes a lease away: a dead server's, if it has not moved since, or our own; whether this call did.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody can tell.
    pub(super) async fn condemn(&self, net: &Net, lease: &str, beat: Option<u64>) -> Result<bool, Fault> {
        let mut cmd = script::CONDEMN.call(&Self::keys(net));
        cmd.arg(lease).arg(beat.map_or_else(String::new, |beat| beat.to_string())).arg(millis(self.expiry));
        let did = net.call(Partition::COMMON, &cmd).await? == Value::Int(1);
        self.lock_former()
            .iter_mut()
            .filter(|former| *former.lease == *lease)
            .for_each(|former| former.condemned = true);
        Ok(did)
    }

    /// Whether this server is the one that cleans up after another now.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody can tell.
    pub(super) async fn may_clean(&self, net: &Net, lease: &str) -> Result<bool, Fault> {
        let key = net.names.common(&format!("cleaning:{lease}"));
        let mut cmd = redis::cmd("SET");
        cmd.arg(key).arg(&*self.id()).arg("NX").arg("PX").arg(millis(CLEANS_WITHIN));
        Ok(net.call(Partition::COMMON, &cmd).await? != Value::Nil)
    }

    /// Nothing is left of it.
    ///
    /// # Errors
    ///
    /// [`Fault`] where it still stands there.
    pub(super) async fn cleaned(&self, net: &Net, lease: &str) -> Result<(), Fault> {
        self.lock_former().retain(|former| *former.lease != *lease);
        let mut forget = redis::cmd("SREM");
        forget.arg(net.names.common("condemned")).arg(lease);
        net.call(Partition::COMMON, &forget).await?;
        let mut unlock = redis::cmd("DEL");
        unlock.arg(net.names.common(&format!("cleaning:{lease}")));
        net.call(Partition::COMMON, &unlock).await.map(drop)
    }

    /// Tells whose lease is another server's, and not a dead one's.
    pub(super) fn is_other(&self) -> impl Fn(&str) -> bool + use<> {
        let (own, dead) = (self.id(), self.dead());
        move |lease| lease != &*own && !dead.iter().any(|dead| **dead == *lease)
    }

    /// The sum of what the others have, without the dead.
    pub(super) fn of_others(&self, all: &HashMap<String, usize>) -> usize {
        let is_other = self.is_other();
        all.iter().filter(|(lease, _)| is_other(lease)).map(|(_, number)| number).sum()
    }

    /// How long the heartbeat of another server has stood still at what was just read.
    pub(super) fn silent_for(&self, lease: &str, beat: u64) -> Duration {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is another than at the last look came since then.
        let seen = peers.seen.get(lease).filter(|(seen, _)| *seen == beat);
        seen.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beats(of: &[(&str, u64)]) -> HashMap<String, u64> {
        of.iter().map(|(lease, beat)| ((*lease).to_owned(), *beat)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_stands_still_for_long_enough_is_dead() {
        let mut peers = Peers::default();
        for beat in 1..=4 {
            assert!(peers.observe("own", &beats(&[("own", 1), ("lives", beat), ("still", 7)]), BEAT_EVERY).is_empty());
            tokio::time::advance(BEAT_EVERY).await;
        }
        let dead = peers.observe("own", &beats(&[("own", 1), ("lives", 5), ("still", 7)]), BEAT_EVERY);
        assert_eq!(dead, [("still".to_owned(), 7)]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_heartbeat_that_stands_still_is_silence() {
        let lease = Lease::new(Duration::from_secs(3600), Duration::from_secs(3600));
        lease.peers.lock().unwrap().observe("own", &beats(&[("other", 7)]), BEAT_EVERY);
        tokio::time::advance(Duration::from_secs(3)).await;
        let silent = |name, beat| lease.silent_for(name, beat).as_secs();
        assert_eq!((silent("other", 7), silent("other", 8), silent("new", 1)), (3, 0, 0));
    }

    #[test]
    fn a_lease_of_before_is_dead_whatever_others_say() {
        let lease = Lease::new(Duration::from_secs(3600), Duration::from_secs(3600));
        let first = lease.renew();
        let second = lease.renew();
        lease.bury(["other".to_owned()]);
        let dead = lease.dead();
        assert!(dead.len() == 3 && dead.contains(&first) && dead.contains(&second) && !dead.contains(&lease.id()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_did_not_look_saw_nobody_stand_still() {
        let mut peers = Peers::default();
        peers.observe("own", &beats(&[("other", 7)]), BEAT_EVERY);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(peers.observe("own", &beats(&[("other", 7)]), BEAT_EVERY).is_empty());
        tokio::time::advance(BEAT_EVERY).await;
        assert!(peers.observe("own", &beats(&[("other", 7)]), BEAT_EVERY).is_empty());
    }
}
