//! The total of connections: each server leases a block of permits, and asks again when it has used them up.
//!
//! So a connection costs no command of its own, and all servers together never have more permits than there are.
//! What is leased and unused is small beside the total, and nothing where the total is small.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::Notify;

use super::fault::Fault;
use super::lease::Lease;
use super::ledger::millis;
use super::names::Partition;
use super::net::Net;
use super::pipe::answered;
use super::script;

/// A block is this part of the total.
const BLOCKS: usize = 256;
/// The largest block.
const MAX_BLOCK: usize = 256;
/// How long what is given back gathers.
const GATHER: Duration = Duration::from_millis(20);
/// How long what could not be given back waits.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
struct State {
    used: usize,
    leased: usize,
    /// The total that was last asked about.
    total: usize,
}

#[derive(Debug)]
pub(super) struct Permits {
    state: Mutex<State>,
    /// One asks at a time; others wait for what it gets.
    asking: tokio::sync::Mutex<()>,
    returned: Notify,
    expiry: Duration,
}

fn block(total: usize) -> usize {
    (total / BLOCKS).clamp(1, MAX_BLOCK)
}

impl Permits {
    pub(super) fn new(expiry: Duration) -> Self {
        Self { state: Mutex::default(), asking: tokio::sync::Mutex::default(), returned: Notify::new(), expiry }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections this server has.
    pub(super) fn used(&self) -> usize {
        self.lock().used
    }

    fn take_leased(&self) -> bool {
        let mut state = self.lock();
        let is_free = state.used < state.leased;
        state.used += usize::from(is_free);
        is_free
    }

    /// Takes one, where all servers together have less than the total.
    ///
    /// # Errors
    ///
    /// [`Fault`] where nobody can tell.
    pub(super) async fn take(&self, net: &Net, lease: &Lease, total: usize) -> Result<bool, Fault> {
        if self.take_leased() {
            return Ok(true);
        }
        // Before one asks at a time: while Redis is away, nobody waits for a blip after the other.
        net.ready(Partition::COMMON).await;
        let _alone = self.asking.lock().await;
        if self.take_leased() {
            return Ok(true);
        }
        let (wanted, fewest) = {
            let mut state = self.lock();
            state.total = total;
            (state.used + block(total), state.used + 1)
        };
        self.ask(net, lease, wanted, fewest).await?;
        Ok(self.take_leased())
    }

    /// Takes one without asking anybody, unless this server alone has as many as may be.
    pub(super) fn take_locally(&self, total: usize) -> bool {
        let mut state = self.lock();
        state.total = total;
        let is_free = state.used < total;
        state.used += usize::from(is_free);
        drop(state);
        // As soon as somebody can be asked.
        self.returned.notify_one();
        is_free
    }

    pub(super) fn give_back(&self) {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(1);
        // A reserve of a block is kept, and of nothing where a block is one.
        let is_surplus = state.leased > state.used + 2 * (block(state.total) - 1);
        drop(state);
        if is_surplus {
            self.returned.notify_one();
        }
    }

    fn command(&self, net: &Net, lease: &Lease, wanted: usize, fewest: usize) -> Cmd {
        let keys = [net.names.common("permits"), net.names.common("servers")];
        let mut cmd = script::PERMIT.call(&keys);
        cmd.arg(&*lease.id()).arg(wanted).arg(fewest).arg(self.lock().total).arg(millis(self.expiry));
        for dead in &*lease.dead() {
            cmd.arg(&**dead);
        }
        cmd
    }

    /// Asks for a number of permits in all; who asks has the lock of those who ask.
    async fn ask(&self, net: &Net, lease: &Lease, wanted: usize, fewest: usize) -> Result<(), Fault> {
        let unanswered = Unanswered(Some(&self.returned));
        for _ in 0..2 {
            let asked = net.try_call(Partition::COMMON, &self.command(net, lease, wanted, fewest))?;
            match answered(asked).await {
                Ok(Value::Int(granted)) if granted >= 0 => {
                    self.lock().leased = usize::try_from(granted).unwrap_or(0);
                    unanswered.answered();
                    return Ok(());
                }
                // The lease is gone; the next beat takes another, and then there are permits again.
                Ok(_) => return Err(Fault::not_sent("this server was taken for dead")),
                Err(fault) if !net.recovers(Partition::COMMON, &fault).await => return Err(fault),
                Err(_) => {}
            }
        }
        Err(Fault::not_sent("the servers of the Cluster change"))
    }

    /// Gives back what is not needed, for ever.
    pub(super) async fn keep_returning(&self, net: &Net, lease: &Lease) {
        loop {
            self.returned.notified().await;
            tokio::time::sleep(GATHER).await;
            if self.rewrite(net, lease, true).await.is_err() {
                tokio::time::sleep(AGAIN_AFTER).await;
                self.returned.notify_one();
            }
        }
    }

    /// Writes how many this server needs, under whatever lease it has now, with or without a reserve; how many of those it
    /// uses it may not have.
    pub(super) async fn rewrite(&self, net: &Net, lease: &Lease, with_reserve: bool) -> Result<usize, Fault> {
        let _alone = self.asking.lock().await;
        let (needed, total) = {
            let mut state = self.lock();
            let reserve = if with_reserve && state.used > 0 { block(state.total) - 1 } else { 0 };
            // Nobody may take meanwhile what is on its way back.
            state.leased = state.leased.min(state.used + reserve);
            (state.used + reserve, state.total)
        };
        if total > 0 {
            self.ask(net, lease, needed, 0).await?;
        }
        let state = self.lock();
        Ok(state.used.saturating_sub(state.leased))
    }
}

/// What was asked for may have been granted without anybody here to hear it: then it is written again.
struct Unanswered<'a>(Option<&'a Notify>);

impl Unanswered<'_> {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(returned) = self.0 {
            returned.notify_one();
        }
    }
}
