//! More connections are asked for than there are places.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::books::Books;
use crate::client::Client;

/// How many want to be the same user at once.
const AT_ONCE: usize = 5;

/// The longest stay.
const STAYS_MS: u64 = 400;

/// Time between two attempts of one.
const AGAIN_AFTER: Duration = Duration::from_millis(40);

/// Those who rush.
#[derive(Debug)]
pub struct Rush {
    tasks: Vec<JoinHandle<usize>>,
    stop: watch::Sender<bool>,
}

impl Rush {
    /// For each user more than may be, at all servers.
    pub fn start(books: &Books, servers: &[SocketAddr], users: &[&'static str]) -> Self {
        let stop = watch::Sender::new(false);
        let everybody = users.iter().flat_map(|user| (0..AT_ONCE).map(move |number| (*user, number)));
        let task = |(user, number): (&'static str, usize)| {
            let rush = rush(books.clone(), servers.to_vec(), user, number, stop.subscribe());
            tokio::spawn(rush)
        };
        let tasks = everybody.map(task).collect();
        Self { tasks, stop }
    }

    /// All go; how often anybody was let in.
    pub async fn stop(self) -> usize {
        self.stop.send_replace(true);
        let mut opened = 0;
        for task in self.tasks {
            opened += task.await.unwrap();
        }
        opened
    }
}

async fn rush(
    books: Books,
    servers: Vec<SocketAddr>,
    user: &'static str,
    number: usize,
    mut stop: watch::Receiver<bool>,
) -> usize {
    let mut opened = 0;
    for attempt in number.. {
        if *stop.borrow() {
            break;
        }
        let at = attempt % servers.len();
        if let Ok(client) = Client::open(&books, at, servers[at], user).await {
            opened += 1;
            let _ = timeout(Duration::from_millis(fastrand::u64(1..STAYS_MS)), stop.wait_for(|stop| *stop)).await;
            client.close().await;
        }
        sleep(AGAIN_AFTER).await;
    }
    opened
}
