//! The load: members of groups on every server, and publishers that never stop.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::books::Books;
use crate::client::Client;
use crate::wire::Target;

/// Publishers at each server.
const PUBLISHERS: usize = 3;

/// A pause of who comes and goes.
const STAYS: Duration = Duration::from_millis(300);

/// How many go where members change.
const GO: usize = 8;

/// How many come.
const COME: usize = 5;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Members, over all servers; each is in two groups, each user has two of them.
    pub members: usize,
    /// Groups.
    pub groups: usize,
    /// Messages a second of all publishers together.
    pub per_second: usize,
    /// How many bytes each message weighs.
    pub padding: usize,
}

impl Size {
    /// How many connections that is, at so many servers.
    pub fn connections(self, servers: usize) -> usize {
        self.members + servers * (PUBLISHERS + 1)
    }
}

impl Default for Size {
    fn default() -> Self {
        Self { members: 60, groups: 10, per_second: 200, padding: 16 }
    }
}

/// The clients of a run.
#[derive(Debug)]
pub struct Crowd {
    size: Size,
    books: Books,
    /// Those who publish no more are among them.
    members: Vec<Client>,
    publishers: Vec<JoinHandle<Option<Client>>>,
    stop: watch::Sender<bool>,
}

fn group(size: Size, number: usize) -> String {
    format!("g{}", number % size.groups)
}

async fn member(books: &Books, size: Size, servers: &[SocketAddr], number: usize) -> Client {
    let at = number % servers.len();
    let mut client = Client::open(books, at, servers[at], &format!("u{}", number / 2)).await.unwrap();
    for place in [number, number * 3 + 1] {
        client.join(&group(size, place)).await.unwrap();
    }
    client
}

impl Crowd {
    /// Opens all connections and begins to publish.
    ///
    /// # Panics
    ///
    /// If a server refuses.
    pub async fn start(books: &Books, size: Size, servers: &[SocketAddr]) -> Self {
        let members = join_all((0..size.members).map(|number| member(books, size, servers, number))).await;
        let mut crowd =
            Self { size, books: books.clone(), members, publishers: Vec::new(), stop: watch::Sender::new(false) };
        for (at, server) in servers.iter().enumerate() {
            crowd.publish_at(at, *server, servers.len()).await;
        }
        crowd
    }

    /// Publishers, and one that comes and goes, at one of several servers.
    pub async fn publish_at(&mut self, at: usize, server: SocketAddr, of: usize) {
        let every = Duration::from_secs(1) * u32::try_from(PUBLISHERS * of).unwrap()
            / u32::try_from(self.size.per_second).unwrap();
        for number in 0..PUBLISHERS {
            let client = Client::open(&self.books, at, server, &format!("p{at}-{number}")).await.unwrap();
            let publisher = self.books.publisher(at);
            let targets = Targets { size: self.size, books: self.books.clone() };
            let publish = publish(client, publisher, targets, every, self.stop.subscribe());
            self.publishers.push(tokio::spawn(publish));
        }
        let client = Client::open(&self.books, at, server, &format!("c{at}")).await.unwrap();
        self.publishers.push(tokio::spawn(come_and_go(client, self.size, at, self.stop.subscribe())));
    }

    /// The first members go, and some others come.
    pub async fn change(&mut self, servers: &[SocketAddr]) {
        for client in self.members.drain(..GO) {
            client.close().await;
        }
        for number in 0..COME {
            self.members.push(member(&self.books, self.size, servers, self.size.members + number).await);
        }
    }

    /// Nothing more is published when this returns, and what was is answered.
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        for publisher in self.publishers.drain(..) {
            self.members.extend(publisher.await.unwrap());
        }
    }

    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = String> {
        let size = self.size;
        (0..size.groups).map(move |number| group(size, number))
    }

    /// Ends all connections.
    pub async fn close(mut self) {
        self.stop().await;
        for member in self.members {
            member.close().await;
        }
    }
}

/// Who gets which message.
struct Targets {
    size: Size,
    books: Books,
}

impl Targets {
    fn of(&self, publisher: u32, number: usize) -> Target {
        let place = publisher as usize + number;
        match number % 20 {
            0 => Target::Everybody,
            3 | 13 => Target::User(format!("u{}", place % (self.size.members / 2))),
            7 | 17 => Target::Connection(self.books.pages().clients[place % self.size.members].connection.clone()),
            _ => Target::Group(group(self.size, place)),
        }
    }
}

async fn publish(
    mut client: Client,
    publisher: u32,
    targets: Targets,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) -> Option<Client> {
    let mut ticks = interval(every);
    // Who waited for an answer does not make up for it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        let to = targets.of(publisher, number);
        // Nothing comes back where its server has gone, which the checker knows of.
        client.publish(publisher, to, targets.size.padding).await?;
    }
    // Its connection stays, as the others do.
    Some(client)
}

/// Joins and leaves all the time.
async fn come_and_go(mut client: Client, size: Size, from: usize, mut stop: watch::Receiver<bool>) -> Option<Client> {
    for number in from.. {
        if *stop.borrow() {
            break;
        }
        let group = group(size, number);
        match client.join(&group).await {
            Ok(()) => {
                let _ = tokio::time::timeout(STAYS, stop.wait_for(|stop| *stop)).await;
                client.leave(&group).await;
            }
            Err(None) => return None,
            Err(Some(_)) => {}
        }
        sleep(STAYS).await;
    }
    Some(client)
}
