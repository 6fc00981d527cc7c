//! Several servers in one process: the smallest backend that has something to share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use channels::backend::{
    Backend, Claim, Claimed, Counts, Envelope, Events, Health, Limits, MemoryBackend, Published, Refusal, Server,
    Settlement, Sink, Topic,
};
use channels::{Error, Rate, UserId};

/// What the servers share. The lock over all sinks is the one order of every topic.
#[derive(Default)]
struct Hub {
    members: Mutex<Vec<Member>>,
    /// Its admissions and rates are everybody's.
    shared: MemoryBackend,
}

struct Member {
    sink: Weak<dyn Sink>,
    topics: HashSet<String>,
    connections: usize,
}

/// One server's backend.
pub struct Node {
    hub: Arc<Hub>,
    number: usize,
}

struct Nowhere;

impl Sink for Nowhere {
    fn incarnation(&self) -> u64 {
        0
    }

    fn deliver(&self, _topic: Topic<'_>, _envelope: &Envelope) -> usize {
        0
    }

    fn local_members(&self, _topic: Topic<'_>) -> usize {
        0
    }

    fn evict(&self, _user: Option<&UserId>, _connections: usize) {}
}

/// The nodes of a new cluster.
pub fn nodes(count: usize) -> Vec<Node> {
    let hub = Arc::<Hub>::default();
    let nowhere: Arc<dyn Sink> = Arc::new(Nowhere);
    for _ in 0..count {
        hub.lock().push(Member { sink: Arc::downgrade(&nowhere), topics: HashSet::new(), connections: 0 });
    }
    (0..count).map(|number| Node { hub: Arc::clone(&hub), number }).collect()
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(topic: Topic<'_>) -> String {
    format!("{topic:?}")
}

impl Backend for Node {
    fn name(&self) -> &'static str {
        "cluster"
    }

    async fn start(&self, sink: Weak<dyn Sink>) -> Result<(), Error> {
        self.hub.lock()[self.number].sink = sink;
        Ok(())
    }

    async fn stop(&self) {}

    async fn subscribe(&self, topic: Topic<'_>) -> Result<(), Error> {
        // As over a network: others get a turn before it is done.
        tokio::task::yield_now().await;
        self.hub.lock()[self.number].topics.insert(key(topic));
        Ok(())
    }

    fn unsubscribe(&self, topic: Topic<'_>) {
        self.hub.lock()[self.number].topics.remove(&key(topic));
    }

    async fn publish(&self, topic: Topic<'_>, envelope: Envelope) -> Result<Published, Error> {
        tokio::task::yield_now().await;
        let key = key(topic);
        let members = self.hub.lock();
        for member in &*members {
            let Some(sink) = member.sink.upgrade() else { continue };
            let live = match topic {
                Topic::Group(_) | Topic::User(_) => member.topics.contains(&key),
                Topic::Connection(id) => id.incarnation() == sink.incarnation(),
                Topic::Broadcast => true,
            };
            if live {
                sink.deliver(topic, &envelope);
            }
        }
        Ok(Published::default())
    }

    async fn admit(&self, user: Option<&UserId>, limits: Limits) -> Result<Result<(), Refusal>, Error> {
        tokio::task::yield_now().await;
        let answer = self.hub.shared.admit(user, limits).await?;
        self.hub.lock()[self.number].connections += usize::from(answer.is_ok());
        Ok(answer)
    }

    fn release(&self, user: Option<&UserId>) {
        let member = &mut self.hub.lock()[self.number];
        member.connections = member.connections.saturating_sub(1);
        self.hub.shared.release(user);
    }

    async fn check_rate(&self, key: &str, rate: Rate) -> Result<Result<(), Duration>, Error> {
        tokio::task::yield_now().await;
        self.hub.shared.check_rate(key, rate).await
    }

    async fn claim(&self, claim: &Claim, lease: Duration) -> Result<Claimed, Error> {
        tokio::task::yield_now().await;
        self.hub.shared.claim(claim, lease).await
    }

    async fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, Error> {
        tokio::task::yield_now().await;
        self.hub.shared.settle(claim, settlement).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        let counts = self.hub.shared.counts().await?;
        Ok(Counts { servers: self.hub.lock().len(), ..counts })
    }

    async fn servers(&self) -> Result<Vec<Server>, Error> {
        let told = |(number, member): (usize, &Member)| {
            let mut server = Server::new(format!("node-{number}"), member.connections);
            server.is_self = number == self.number;
            if let Some(sink) = member.sink.upgrade() {
                server.name = sink.server_name();
                server.is_draining = sink.is_draining();
            }
            server
        };
        Ok(self.hub.lock().iter().enumerate().map(told).collect())
    }

    async fn members(&self, group: &str) -> Result<usize, Error> {
        let sinks: Vec<_> = self.hub.lock().iter().filter_map(|member| member.sink.upgrade()).collect();
        Ok(sinks.iter().map(|sink| sink.local_members(Topic::Group(group))).sum())
    }

    async fn connections_of(&self, user: &UserId) -> Result<usize, Error> {
        self.hub.shared.connections_of(user).await
    }

    fn health(&self) -> Health {
        self.hub.shared.health()
    }

    fn events(&self) -> Events {
        self.hub.shared.events()
    }

    fn sweep(&self) {
        self.hub.shared.sweep();
    }
}
