//! Claims that all servers share. Redis keeps each until its lease or its time is over, by its own clock.

use std::time::Duration;

use redis::Value;

use super::fault::Fault;
use super::ledger::millis;
use super::net::Net;
use super::script;
use crate::backend::{Claim, Claimed, Settlement};

/// As [`Backend::claim`](crate::backend::Backend::claim). Asked again with the same token, it has the same answer.
///
/// # Errors
///
/// [`Fault`] where Redis cannot tell.
pub(super) async fn claim(net: &Net, claim: &Claim, lease: Duration) -> Result<Claimed, Fault> {
    let (partition, name) = net.names.claim(&claim.key);
    let mut cmd = script::CLAIM.call(&[name]);
    cmd.arg(token(claim)).arg(millis(lease));
    match net.call(partition, &cmd).await? {
        Value::Int(1) => Ok(Claimed::Yours),
        Value::Int(_) => Ok(Claimed::Running),
        Value::BulkString(kept) => Ok(Claimed::Settled(kept.into())),
        other => Err(Fault::not_sent(format!("a claim was answered by {other:?}"))),
    }
}

/// As [`Backend::settle`](crate::backend::Backend::settle).
///
/// # Errors
///
/// [`Fault`] where it may not have been written.
pub(super) async fn settle(net: &Net, claim: &Claim, settlement: Settlement) -> Result<bool, Fault> {
    let (partition, name) = net.names.claim(&claim.key);
    let mut cmd = script::SETTLE.call(&[name]);
    cmd.arg(token(claim));
    match settlement {
        // Never 0, which would mean that it was not done.
        Settlement::Done(answer, time) => cmd.arg(millis(time)).arg(&answer[..]),
        Settlement::Abandoned => cmd.arg(0).arg(""),
    };
    Ok(net.call(partition, &cmd).await? == Value::Int(1))
}

fn token(claim: &Claim) -> String {
    format!("{:032x}", claim.token)
}
