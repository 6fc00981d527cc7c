//! What all servers have together, as Redis tells it.

use std::collections::{HashMap, HashSet};

use redis::{FromRedisValue, Value};

use super::fault::Fault;
use super::names::{Kind, Partition};
use super::net::Net;
use crate::backend::Counts;

/// The numbers of each server by its lease, and how many users there are.
#[derive(Debug, Default)]
pub(super) struct All {
    beats: HashMap<String, u64>,
    connections: HashMap<String, usize>,
    condemned: HashSet<String>,
    users: usize,
}

/// Asks for everything at once.
///
/// # Errors
///
/// [`Fault`] where nobody can tell.
pub(super) async fn read(net: &Net) -> Result<All, Fault> {
    let known = |partition| {
        let key = net.names.known(Kind::User, partition);
        net.call_owned(partition, redis::cmd("SCARD").arg(key).to_owned())
    };
    let known = futures_util::future::try_join_all(Partition::all().map(known));
    let (beats, connections, condemned, known) = futures_util::try_join!(
        common(net, "HGETALL", "servers"),
        common(net, "HGETALL", "connections"),
        common(net, "SMEMBERS", "condemned"),
        known
    )?;
    Ok(All {
        beats: value(beats)?,
        connections: value(connections)?,
        condemned: value(condemned)?,
        users: known.into_iter().map(value::<usize>).sum::<Result<_, _>>()?,
    })
}

/// All of what concerns all servers.
///
/// # Errors
///
/// [`Fault`] where nobody can tell.
pub(super) async fn common(net: &Net, command: &str, name: &str) -> Result<Value, Fault> {
    net.call(Partition::COMMON, redis::cmd(command).arg(net.names.common(name))).await
}

/// An answer as what it should be.
///
/// # Errors
///
/// [`Fault`] where it is something else: a key of ours that somebody else has written to.
pub(super) fn value<T: FromRedisValue>(answer: Value) -> Result<T, Fault> {
    redis::from_redis_value(answer).map_err(|error| Fault::not_sent(error.to_string()))
}

impl All {
    /// The sums of the living, without those that `is_left_out` names.
    pub(super) fn sums(&self, is_left_out: impl Fn(&str) -> bool) -> Counts {
        let lives = |lease: &str| !self.condemned.contains(lease) && !is_left_out(lease);
        let connections = self.connections.iter().filter(|(lease, _)| lives(lease)).map(|(_, number)| number);
        Counts {
            servers: self.beats.keys().filter(|lease| lives(lease)).count(),
            connections: connections.sum(),
            users: self.users,
        }
    }
}
