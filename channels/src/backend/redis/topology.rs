//! Who serves what: the master that the Sentinels name, the slots of a Cluster.

use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;
use tokio::time::timeout;

use super::dial::{DialError, Dialer};
use super::names::{PARTITIONS, Partition};
use crate::config::{Address, Login};

/// How long one Sentinel, or one node of a Cluster, may take to tell.
const TELLS_WITHIN: Duration = Duration::from_secs(1);

/// The master of this name, by the word of the Sentinel that knows of the latest failover.
///
/// # Errors
///
/// What each Sentinel said, where none knows.
pub(super) async fn master(
    dialer: &Dialer,
    sentinels: &[Address],
    name: &str,
    login: &Login,
) -> Result<Address, DialError> {
    let answers = join_all(sentinels.iter().map(|sentinel| async move {
        let asked = timeout(TELLS_WITHIN, ask_sentinel(dialer, sentinel, name, login)).await;
        asked.unwrap_or_else(|_| Err(DialError::late(sentinel, TELLS_WITHIN)))
    }));
    let mut latest: Option<(u64, Address)> = None;
    let mut problems = Vec::new();
    for answer in answers.await {
        match answer {
            Ok(told) if latest.as_ref().is_none_or(|(epoch, _)| told.0 > *epoch) => latest = Some(told),
            Ok(_) => {}
            Err(error) => problems.push(error),
        }
    }
    latest.map(|(_, address)| address).ok_or_else(|| all_of(problems))
}

/// Several problems in one.
fn all_of(problems: Vec<DialError>) -> DialError {
    let hopeless = !problems.is_empty() && problems.iter().all(|problem| problem.hopeless);
    let (addresses, words): (Vec<_>, Vec<_>) =
        problems.into_iter().map(|problem| (problem.address, problem.problem)).unzip();
    let mut words: Vec<_> = words;
    words.dedup();
    DialError { address: addresses.join(", "), problem: words.join("; "), hopeless }
}

async fn ask_sentinel(
    dialer: &Dialer,
    sentinel: &Address,
    name: &str,
    login: &Login,
) -> Result<(u64, Address), DialError> {
    let mut dialed = dialer.dial_sentinel(sentinel, login).await?;
    let answer = dialed.ask(redis::cmd("SENTINEL").arg("MASTER").arg(name)).await?;
    let fields: std::collections::HashMap<String, String> =
        redis::from_redis_value_ref(&answer).map_err(|_| nonsense(sentinel, "SENTINEL MASTER"))?;
    let field = |name: &str| fields.get(name).ok_or_else(|| DialError::new(sentinel, format!("it told no {name}")));
    let port = field("port")?.parse().map_err(|_| DialError::new(sentinel, "it told no port"))?;
    let epoch = field("config-epoch")?.parse().unwrap_or(0);
    Ok((epoch, Address::Tcp(field("ip")?.clone(), port)))
}

/// Which address serves each partition of a Cluster.
pub(super) type Slots = [Option<Address>; PARTITIONS];

/// Reads the answer to `CLUSTER SLOTS` of the node at `from`.
pub(super) fn read_slots(answer: &Value, from: &Address) -> Option<Slots> {
    let Value::Array(ranges) = answer else { return None };
    let mut read = Vec::with_capacity(ranges.len());
    for range in ranges {
        let Value::Array(parts) = range else { return None };
        let [first, last, master, ..] = parts.as_slice() else { return None };
        let number = |value: &Value| redis::from_redis_value_ref::<u16>(value).ok();
        read.push((number(first)?..=number(last)?, address_of(master, from)?));
    }
    let serves = |partition: Partition| {
        let slot = partition.slot();
        read.iter().find(|(range, _)| range.contains(&slot)).map(|(_, address)| address.clone())
    };
    Some(std::array::from_fn(|index| serves(Partition(u8::try_from(index).unwrap_or_default()))))
}

/// Whether a node says that the Cluster is down, as one does that sees too few of the others; then the others may have
/// agreed on something else.
pub(super) fn is_cut_off(info: &Value) -> bool {
    let info: Option<String> = redis::from_redis_value_ref(info).ok();
    info.is_some_and(|info| info.lines().any(|line| line.trim_end() == "cluster_state:fail"))
}

/// A node's host and port. An empty host is the one that was asked.
fn address_of(node: &Value, from: &Address) -> Option<Address> {
    let Value::Array(parts) = node else { return None };
    let [host, port, ..] = parts.as_slice() else { return None };
    let host: Option<String> = redis::from_redis_value_ref(host).ok()?;
    let host = match (host.filter(|host| !host.is_empty() && host != "?"), from) {
        (Some(host), _) => host,
        (None, Address::Tcp(host, _)) => host.clone(),
        (None, Address::Unix(_)) => return None,
    };
    Some(Address::Tcp(host, redis::from_redis_value_ref(port).ok()?))
}

/// Asks one address for the slots, over a connection of its own.
pub(super) async fn ask_for_slots(dialer: &Dialer, address: &Address) -> Result<Slots, DialError> {
    let ask = async {
        let mut dialed = dialer.dial(address).await?;
        let answer = dialed.ask(redis::cmd("CLUSTER").arg("SLOTS")).await?;
        read_slots(&answer, address).ok_or_else(|| nonsense(address, "CLUSTER SLOTS"))
    };
    timeout(TELLS_WITHIN, ask).await.unwrap_or_else(|_| Err(DialError::late(address, TELLS_WITHIN)))
}

/// The answer is not repeated: nobody knows what is in it.
fn nonsense(address: &Address, command: &str) -> DialError {
    DialError::new(address, format!("{command} was answered with nonsense"))
}

/// The first answer of any of these.
pub(super) async fn any_slots(dialer: &Dialer, addresses: &[Address]) -> Result<Slots, DialError> {
    let mut problems = Vec::new();
    for address in addresses {
        match ask_for_slots(dialer, address).await {
            Ok(slots) if slots.iter().any(Option::is_some) => return Ok(slots),
            Ok(_) => problems.push(DialError::new(address, "the Cluster has no slots yet")),
            Err(error) => problems.push(error),
        }
    }
    Err(all_of(problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_node_without_the_others_is_cut_off() {
        let info = |state: &str| bulk(&format!("cluster_state:{state}\r\ncluster_slots_assigned:16384\r\n"));
        assert!(is_cut_off(&info("fail")));
        assert!(!is_cut_off(&info("ok")) && !is_cut_off(&Value::Nil));
    }

    #[test]
    fn slots_are_read_by_partition() {
        let node = |host: Value, port: i64| Value::Array(vec![host, Value::Int(port), bulk("id")]);
        let range = |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let answer =
            Value::Array(vec![range(0, 8191, node(bulk("10.0.0.1"), 7000)), range(8192, 16000, node(bulk(""), 7001))]);
        let slots = read_slots(&answer, &Address::Tcp("asked".into(), 1)).unwrap();
        for partition in Partition::all() {
            let expected = match partition.slot() {
                0..=8191 => Some(Address::Tcp("10.0.0.1".into(), 7000)),
                8192..=16000 => Some(Address::Tcp("asked".into(), 7001)),
                _ => None,
            };
            assert_eq!(slots[partition.index()], expected);
        }
        assert!(read_slots(&Value::Okay, &Address::Tcp("asked".into(), 1)).is_none());
    }
}
