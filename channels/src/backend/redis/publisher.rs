//! Redis without a server of ours: to send from another process, and to look on.

use std::sync::{Arc, OnceLock, Weak};

use tokio::sync::mpsc;

use super::net::Net;
use super::{Fault, counts, publish, servers, start, want};
use crate::backend::{Content, Counts, Delivery, Envelope, Events, Health, Published, Server, Sink, Topic};
use crate::config::Config;
use crate::error::Error;
use crate::id::UserId;

/// How many messages wait for one who looks on; what comes then is missed, and counted.
const TAPPED: usize = 4096;

/// Sends to the members of all servers, and is none: it is not counted, holds no place and hears nothing.
pub struct Publisher {
    net: Arc<Net>,
}

impl Publisher {
    /// Connects to the Redis that the configuration names.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` that names the URL without its secrets, what was tried and what to do.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let net = start::connected(config, None).await?;
        Ok(Self { net })
    }

    /// Sends a message to everybody of a topic.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR`; [`Error::delivery`] tells whether it was not sent, or nobody knows.
    pub async fn publish(&self, topic: Topic<'_>, envelope: &Envelope) -> Result<Published, Error> {
        publish::publish(&self.net, 0, topic, envelope).await
    }

    /// What all servers have together.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    pub async fn counts(&self) -> Result<Counts, Error> {
        Ok(counts::read(&self.net).await?.sums(|_| false))
    }

    /// The servers that live, in any order. Nobody here looks how long a heartbeat stands still.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where nobody can tell.
    pub async fn servers(&self) -> Result<Vec<Server>, Error> {
        Ok(servers::read(&self.net).await?.into_iter().map(|seen| seen.server).collect())
    }

    /// How the connection is.
    pub fn health(&self) -> Health {
        self.net.reports.health(0, 0)
    }

    /// Ends the connection, after what is under way was answered.
    pub async fn close(self) {
        self.net.stop().await;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.net.abandon();
    }
}

/// Looks on at the messages that are sent to a few topics, as a server with members of them would, and is none.
pub struct Tap {
    net: Arc<Net>,
    received: mpsc::Receiver<Delivery>,
    sink: Arc<Tapped>,
}

struct Tapped(mpsc::Sender<Delivery>, std::sync::atomic::AtomicU64);

impl Sink for Tapped {
    fn incarnation(&self) -> u64 {
        0
    }

    fn deliver(&self, topic: Topic<'_>, envelope: &Envelope) -> usize {
        // It is no server: commands are nothing for it.
        if envelope.content != Content::Message {
            return 0;
        }
        let delivery = Delivery { to: topic.into(), envelope: envelope.clone() };
        let taken = self.0.try_send(delivery).is_ok();
        self.1.fetch_add(u64::from(!taken), std::sync::atomic::Ordering::Relaxed);
        usize::from(taken)
    }

    fn local_members(&self, _topic: Topic<'_>) -> usize {
        0
    }

    fn evict(&self, _user: Option<&UserId>, _connections: usize) {}
}

impl Tap {
    /// Connects to the Redis that the configuration names; returns when all of the topics are heard.
    ///
    /// # Errors
    ///
    /// As [`Publisher::connect`].
    pub async fn connect(config: &Config, topics: &[Topic<'_>]) -> Result<Self, Error> {
        let (sender, received) = mpsc::channel(TAPPED);
        let sink = Arc::new(Tapped(sender, Default::default()));
        let weak: Weak<dyn Sink> = Arc::downgrade(&(Arc::clone(&sink) as Arc<dyn Sink>));
        let cell = Arc::new(OnceLock::from(weak));
        let net = start::connected(config, Some(&cell)).await?;
        let tap = Self { net, received, sink };
        let wants = topics.iter().filter_map(|topic| {
            let (partition, channel) = tap.net.names.channel(*topic);
            want(&tap.net, partition, channel)
        });
        // All are asked for before the first is waited for.
        let wants: Vec<_> = wants.collect();
        let all_live = async {
            for live in wants {
                live.await.map_err(|_| Fault::not_sent("a subscription was given up"))?;
            }
            Ok(())
        };
        start::is_ready(&tap.net, all_live).await?;
        Ok(tap)
    }

    /// The next message. Those of one topic come in their order.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, nothing is lost.
    pub async fn recv(&mut self) -> Option<Delivery> {
        self.received.recv().await
    }

    /// How many messages came faster than they were received, and were missed.
    pub fn missed(&self) -> u64 {
        self.sink.1.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The interruptions from now on, in which messages may have been missed.
    pub fn events(&self) -> Events {
        self.net.reports.events()
    }

    /// How the connection is.
    pub fn health(&self) -> Health {
        let (live, pending) = self.net.subscriptions.counts();
        self.net.reports.health(live, pending)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.net.abandon();
    }
}
