//! A command's way to the server that serves its name, also while that changes.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use redis::Cmd;
use tokio::sync::oneshot;

use super::fault::Fault;
use super::names::Partition;
use super::net::Net;
use super::node::Node;
use super::pipe::{Answer, answered};
use super::script;
use crate::config::Address;

/// How often a command follows what has moved.
const MAX_MOVES: usize = 8;
/// How long it waits for who serves it now, each time.
const MOVED_AFTER: Duration = Duration::from_millis(150);

impl Net {
    /// Waits for the connection to whoever serves the partition, as long as a blip lasts.
    pub(super) async fn ready(&self, partition: Partition) {
        if let Some(node) = self.owner(partition).filter(|node| !node.pipe.is_open()) {
            node.pipe.opened().await;
        }
    }

    /// Puts a command into the pipe at once, so that the order of these calls is that of Redis.
    ///
    /// # Errors
    ///
    /// [`Fault::NotSent`] where there is no connection.
    pub(super) fn try_call(&self, partition: Partition, cmd: &Cmd) -> Result<oneshot::Receiver<Answer>, Fault> {
        let node = self.owner(partition).ok_or_else(Self::unserved)?;
        node.pipe.send_cmd(cmd)
    }

    fn unserved() -> Fault {
        Fault::not_sent("no server of the Cluster serves its slot")
    }

    /// Whether it helps to try again at once, after a refusal that is about where or how, not about what.
    pub(super) async fn recovers(&self, partition: Partition, fault: &Fault) -> bool {
        match fault.code() {
            "NOSCRIPT" => {
                if let Some(node) = self.owner(partition) {
                    let loaded = script::all().map(|script| node.pipe.send_cmd(&script.load()));
                    for asked in loaded.into_iter().flatten() {
                        let _ = answered(asked).await;
                    }
                }
                true
            }
            "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" => {
                self.look_again();
                tokio::time::sleep(MOVED_AFTER).await;
                true
            }
            _ => false,
        }
    }

    /// Where a refusal says that it should go, if that is a server we know.
    fn redirected(&self, fault: &Fault) -> Option<(Arc<Node>, bool)> {
        let Fault::Refused(error) = fault else { return None };
        let asks = match error.code.as_str() {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let (host, port) = error.details.split_once(' ')?.1.rsplit_once(':')?;
        let address = Address::Tcp(host.to_owned(), port.parse().ok()?);
        let node = self.node_at(&address);
        node.map(|node| (node, asks))
    }

    /// One command to whoever serves the partition, written by a closure, as it may move meanwhile.
    ///
    /// # Errors
    ///
    /// [`Fault`] says whether it was not carried out, or nobody knows.
    pub(super) async fn send(&self, partition: Partition, write: impl Fn(&mut BytesMut)) -> Answer {
        let mut redirected = None;
        for _ in 0..MAX_MOVES {
            let (node, asks) = match redirected.take() {
                Some(target) => target,
                None => (self.owner(partition).ok_or_else(Self::unserved)?, false),
            };
            if !node.pipe.is_open() {
                node.pipe.opened().await;
            }
            let asked = if asks { node.pipe.send_asking(&write) } else { node.pipe.send(&write) }?;
            match answered(asked).await {
                Err(fault) => {
                    redirected = self.redirected(&fault);
                    if redirected.is_some() {
                        self.look_again();
                    } else if !self.recovers(partition, &fault).await {
                        return Err(fault);
                    }
                }
                answer => return answer,
            }
        }
        Err(Fault::not_sent("the servers of the Cluster change"))
    }

    /// The same for a finished command.
    pub(super) async fn call(&self, partition: Partition, cmd: &Cmd) -> Answer {
        self.send(partition, |bytes| bytes.extend_from_slice(&cmd.get_packed_command())).await
    }

    /// The same, with the command inside.
    pub(super) async fn call_owned(&self, partition: Partition, cmd: Cmd) -> Answer {
        self.call(partition, &cmd).await
    }
}
