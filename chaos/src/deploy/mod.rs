//! One server takes another's place while thousands of clients are connected and messages go on.
//!
//! Two servers share a Redis. All clients are members at the first; the second is started, the balancer (here: the address
//! that a client connects to) is turned to it, and the first gets SIGTERM. Clients go when they are closed, and come
//! back when they were told to; one in ten cannot be told. All the time messages are published to their groups at the
//! second server, and by some of the clients wherever they are.

mod client;
mod ledger;
mod report;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use channels_tests::redis::RedisServer;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Duration, Instant, sleep};

use self::client::{Client, Noted, World, publishes};
pub use self::ledger::Account;
use self::ledger::{Ledger, Stay};
pub use self::report::Report;
use crate::http;
use crate::servers::{Server, Settings};

/// One of so many has no extras, and comes back at once.
const WITHOUT_EXTRAS: usize = 10;
/// One of so many speaks.
const SPEAKS: usize = 100;
/// Members of a group.
const MEMBERS: usize = 100;
/// How many come at once, at first.
const OPENING: usize = 64;
/// How long everybody may take to come, for each thousand, and to be back behind the last turn.
const COMES_WITHIN: Duration = Duration::from_secs(60);
/// Messages go on for so long before and behind.
const AROUND: Duration = Duration::from_secs(3);
/// How long the last messages may be on their way.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long `/readyz` may take to turn red, with the way of the signal and of the question.
const RED_WITHIN: Duration = Duration::from_millis(500);

/// How it is done.
#[derive(Clone, Debug)]
pub struct Form {
    /// The program of `serve`.
    pub program: PathBuf,
    /// How many clients there are.
    pub clients: usize,
    /// `WS_RECONNECT_RATE`.
    pub rate: usize,
    /// `WS_DRAIN_OVER`.
    pub over: Duration,
    /// Messages a second at the second server.
    pub per_second: u32,
    /// How much more than the rate may come in the busiest second, in percent: clients wake late on a busy machine.
    pub tolerance: usize,
}

impl Form {
    /// 10,000 clients, and what a server does unless it is told otherwise.
    pub fn long(program: PathBuf) -> Self {
        Self { program, clients: 10_000, rate: 1000, over: Duration::from_secs(5), per_second: 50, tolerance: 10 }
    }

    /// Some hundred clients, who are closed three times as fast as they come back.
    pub fn quick(program: PathBuf) -> Self {
        Self { program, clients: 300, rate: 100, over: Duration::from_secs(1), per_second: 50, tolerance: 50 }
    }
}

/// Does it.
///
/// # Panics
///
/// If a server or its Redis does not start.
pub async fn run(form: &Form) -> Report {
    let redis = block_in_place(RedisServer::start);
    let over_millis = format!("{}ms", form.over.as_millis());
    let environment = [
        ("REDIS_URL", redis.url()),
        ("WS_RECONNECT_RATE", form.rate.to_string()),
        ("WS_DRAIN_OVER", over_millis),
        // Not what this is about; a machine that is busy with thousands of handshakes is late with pongs.
        ("WS_HEARTBEAT_INTERVAL", "60s".to_owned()),
        ("WS_HEARTBEAT_TIMEOUT", "120s".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let settings = Settings { program: form.program.clone(), environment };
    let old = Server::start(&settings).await;
    let (door, at) = watch::channel(old.address);
    let (end, over) = watch::channel(false);
    let world = World {
        door: at,
        ledger: Ledger::default(),
        noted: Arc::default(),
        opening: Arc::new(Semaphore::new(OPENING)),
        over,
    };
    let mut report = Report::new(form);
    let clients = come(form, &world);
    if !until(&world.noted, COMES_WITHIN * thousands(form), |noted| noted.arrived == form.clients).await {
        report.problem("not everybody came".to_owned());
    }
    let new = Server::start(&settings).await;
    let groups = form.clients.div_ceil(MEMBERS);
    let every = Duration::from_secs(1) / form.per_second.max(1);
    let publisher = tokio::spawn(publishes(world.clone(), new.address, groups, every));
    sleep(AROUND).await;

    door.send_replace(new.address);
    old.ask_to_end();
    replaced(&old, &mut report).await;

    let last_turn = Duration::from_secs((form.clients / form.rate.max(1)) as u64);
    let all_back = |noted: &Noted| noted.away.len() == form.clients;
    if !until(&world.noted, last_turn + COMES_WITHIN, all_back).await {
        report.problem(format!("{} of {} came back", world.noted.lock().unwrap().away.len(), form.clients));
    }
    sleep(AROUND).await;
    // The last message has arrived before the first client goes.
    publisher.abort();
    sleep(ARRIVES_WITHIN).await;
    let sent = world.ledger.pages();
    end.send_replace(true);
    let stays = stays(clients).await;
    for (client, stays) in stays {
        report.account.add(client.number, client.group, &stays, &sent);
    }
    report.account.sent = sent.iter().filter(|message| message.taken.is_some()).count();
    report.account.unanswered = sent.len() - report.account.sent;
    report.noted(&world.noted.lock().unwrap());
    let exit = new.terminate();
    if !exit.success() {
        report.problem(format!("the new server ended with {exit}"));
    }
    report
}

/// Everybody's life begins.
fn come(form: &Form, world: &World) -> JoinSet<(Client, Vec<Stay>)> {
    let mut clients = JoinSet::new();
    for number in 0..form.clients {
        let client = Client {
            number,
            group: number / MEMBERS,
            extras: number % WITHOUT_EXTRAS != 0,
            speaks: number % SPEAKS == 1,
        };
        let world = world.clone();
        clients.spawn(async move { (client, client.live(world).await) });
    }
    clients
}

async fn stays(mut clients: JoinSet<(Client, Vec<Stay>)>) -> Vec<(Client, Vec<Stay>)> {
    let mut all = Vec::with_capacity(clients.len());
    while let Some(ended) = clients.join_next().await {
        all.push(ended.unwrap());
    }
    all
}

/// Watches the old server's end.
async fn replaced(old: &Server, report: &mut Report) {
    let began = Instant::now();
    let red = loop {
        match http::get(old.address, "/readyz", RED_WITHIN).await {
            Ok((503, _)) => break Some(began.elapsed()),
            Ok(_) if began.elapsed() < RED_WITHIN => {}
            _ => break None,
        }
    };
    if red.is_none() {
        report.problem(format!("/readyz was not seen to be red within {RED_WITHIN:?}"));
    }
    let exit = loop {
        if let Some(exit) = old.ended() {
            break Some(exit);
        }
        if began.elapsed() > COMES_WITHIN {
            break None;
        }
        sleep(LOOK_EVERY).await;
    };
    report.drain = began.elapsed();
    report.drained = old.drained();
    if !exit.is_some_and(|exit| exit.success()) {
        report.problem(format!("the old server ended with {exit:?}:\n{}", old.log()));
    }
}

async fn until(noted: &Arc<Mutex<Noted>>, within: Duration, is_so: impl Fn(&Noted) -> bool) -> bool {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if is_so(&noted.lock().unwrap()) {
            return true;
        }
        sleep(LOOK_EVERY).await;
    }
    false
}

fn thousands(form: &Form) -> u32 {
    u32::try_from(form.clients.div_ceil(1000)).unwrap_or(u32::MAX)
}
