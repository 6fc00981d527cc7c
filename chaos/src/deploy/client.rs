//! One client: a member of one group, which goes where it is sent.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::ledger::{Ledger, Stay};
use crate::peer::{Ask, Heard, Opened, Peer};
use crate::wire::Outcome;

/// Who gets `$reconnect`.
const EXTRAS: &str = "channels.v1.json";
/// How the server closes that goes.
const RESTARTS: u16 = 1012;
/// How often one of them that speaks does so.
const SPEAKS_EVERY: Duration = Duration::from_secs(1);

/// What all clients share.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// Where the balancer sends who comes now.
    pub(super) door: watch::Receiver<SocketAddr>,
    pub(super) ledger: Ledger,
    pub(super) noted: Arc<Mutex<Noted>>,
    /// How many come at once, at first.
    pub(super) opening: Arc<Semaphore>,
    pub(super) over: watch::Receiver<bool>,
}

/// What clients tell of themselves.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Clients that are members for the first time.
    pub(super) arrived: usize,
    /// When each came to the second server: its handshake was answered.
    pub(super) came_back: Vec<Instant>,
    /// When each was to come back, by what it was told.
    pub(super) turns: Vec<Instant>,
    /// Times away, from the close frame to the answer to the join.
    pub(super) away: Vec<Duration>,
    /// Attempts that came to nothing.
    pub(super) refused: Vec<String>,
    /// What the servers should not have said or done.
    pub(super) surprises: Vec<String>,
}

/// How a stay ended.
enum End {
    Over,
    /// And when to come back.
    Closed(Option<Instant>),
}

/// Who it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) group: usize,
    /// Whether it can be told to wait.
    pub(super) extras: bool,
    pub(super) speaks: bool,
}

impl Client {
    /// Comes, comes back wherever it is sent, and stays until it is over.
    pub(super) async fn live(self, world: World) -> Vec<Stay> {
        let mut stays = Vec::new();
        let mut closed: Option<Instant> = None;
        loop {
            let came = match self.come(&world, closed.is_some()).await {
                Ok(peer) => peer,
                Err(error) => {
                    world.noted.lock().unwrap().refused.push(format!("client {}: {error}", self.number));
                    if *world.over.borrow() {
                        return stays;
                    }
                    // As a client does that was told nothing.
                    sleep(Duration::from_millis(fastrand::u64(0..1000))).await;
                    continue;
                }
            };
            let mut stay = Stay { from: Instant::now(), to: Instant::now(), got: Vec::new() };
            {
                let mut noted = world.noted.lock().unwrap();
                match closed {
                    Some(since) => noted.away.push(since.elapsed()),
                    None => noted.arrived += 1,
                }
            }
            let end = self.stay(came, &world, &mut stay).await;
            stays.push(stay);
            match end {
                End::Over => return stays,
                End::Closed(turn) => {
                    closed = stays.last().map(|stay| stay.to);
                    if let Some(turn) = turn {
                        world.noted.lock().unwrap().turns.push(turn);
                        sleep_until(turn).await;
                    }
                }
            }
        }
    }

    /// A connection that is a member.
    async fn come(&self, world: &World, again: bool) -> io::Result<Peer> {
        let permit = if again { None } else { world.opening.acquire().await.ok() };
        let address = *world.door.borrow();
        let ask = Ask { protocol: self.extras.then_some(EXTRAS), ..Ask::default() };
        let mut peer = match Peer::open(address, &format!("u{}", self.number), ask).await? {
            Opened::Open(peer) => peer,
            Opened::Refused(status) => return Err(io::Error::other(format!("refused with {status}"))),
        };
        if again {
            world.noted.lock().unwrap().came_back.push(Instant::now());
        }
        peer.say("join", &json!({ "group": format!("g{}", self.group) })).await?;
        loop {
            match peer.next().await {
                Heard::Text(text) if text.starts_with(r#"{"type":"joined""#) => break,
                // A message may come between the join and its answer; nobody counts on it.
                Heard::Text(_) => {}
                other => return Err(io::Error::other(format!("{other:?} instead of an answer to a join"))),
            }
        }
        drop(permit);
        Ok(peer)
    }

    async fn stay(&self, mut peer: Peer, world: &World, stay: &mut Stay) -> End {
        let mut turn = None;
        let mut over = world.over.clone();
        let first = Instant::now() + SPEAKS_EVERY.mul_f64(fastrand::f64());
        let mut ticks = interval_at(first, SPEAKS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = tokio::select! {
                heard = peer.next() => heard,
                _ = ticks.tick(), if self.speaks => {
                    let number = world.ledger.send(self.group);
                    // Who has been closed meanwhile hears it next.
                    let _ = peer.say("publish", &publish(number, self.group)).await;
                    continue;
                }
                () = async { drop(over.wait_for(|over| *over).await) } => {
                    stay.to = Instant::now();
                    let _ = peer.close().await;
                    return End::Over;
                }
            };
            match heard {
                Heard::Text(text) => match read(&text) {
                    Some(Said::Message(number)) => stay.got.push(number),
                    Some(Said::Published(number, outcome)) => world.ledger.answer(number, outcome),
                    Some(Said::Reconnect(after)) => turn = Some(Instant::now() + after),
                    None => self.surprised(world, &text),
                },
                Heard::Closed(code) => {
                    stay.to = Instant::now();
                    if code != RESTARTS || turn.is_some() != self.extras {
                        self.surprised(world, &format!("closed with {code}, told to wait until {turn:?}"));
                    }
                    return End::Closed(turn);
                }
                Heard::Nothing => {
                    stay.to = Instant::now();
                    self.surprised(world, "an end without a close frame");
                    return End::Closed(turn);
                }
            }
        }
    }

    fn surprised(&self, world: &World, what: &str) {
        world.noted.lock().unwrap().surprises.push(format!("client {}: {what}", self.number));
    }
}

/// What a server says to a member.
enum Said {
    Message(u32),
    Published(u32, Outcome),
    Reconnect(Duration),
}

fn read(text: &str) -> Option<Said> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let data = &frame["data"];
    let number = || u32::try_from(data["stamp"]["number"].as_u64()?).ok();
    match frame["type"].as_str()? {
        "stamped" => Some(Said::Message(number()?)),
        "published" => Some(Said::Published(number()?, serde_json::from_value(data["outcome"].clone()).ok()?)),
        "$reconnect" => Some(Said::Reconnect(Duration::from_millis(data["after_ms"].as_u64()?))),
        _ => None,
    }
}

fn publish(number: u32, group: usize) -> Value {
    let stamp = json!({ "publisher": 0, "number": number });
    json!({ "stamp": stamp, "to": { "group": format!("g{group}") }, "padding": 32 })
}

/// Publishes to one group after the other at a server that stays, until it is over.
pub(super) async fn publishes(world: World, server: SocketAddr, groups: usize, every: Duration) {
    let surprised = |what: String| world.noted.lock().unwrap().surprises.push(format!("the publisher: {what}"));
    let mut peer = match Peer::open(server, "publisher", Ask::default()).await {
        Ok(Opened::Open(peer)) => peer,
        other => return surprised(format!("{other:?}")),
    };
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for group in (0..groups).cycle() {
        ticks.tick().await;
        if *world.over.borrow() {
            break;
        }
        let number = world.ledger.send(group);
        if let Err(error) = peer.say("publish", &publish(number, group)).await {
            return surprised(error.to_string());
        }
        loop {
            match peer.next().await {
                Heard::Text(text) => {
                    if let Some(Said::Published(number, outcome)) = read(&text) {
                        world.ledger.answer(number, outcome);
                        break;
                    }
                }
                other => return surprised(format!("{other:?} instead of an answer")),
            }
        }
    }
    let _ = peer.close().await;
}
