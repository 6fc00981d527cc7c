//! Many members over real sockets, on several threads: all see one order, whoever comes, goes or stops reading.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use channels::Config;
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::socket::{self, Server, Socket, soon};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const GROUP: &str = "crowd";
const END: &str = "the end";
/// Messages of each publisher, sent one after the other or in bursts.
const HALF: usize = 36;
const EACH: usize = 2 * HALF;
const BURST: usize = 12;
const PADDING: usize = 200;
/// More than a socket holds that nobody reads from.
const FILLING: (usize, usize) = (160, 64 * 1024);

/// What one member heard, as publisher and number.
type Heard = Vec<(usize, usize)>;

struct Crowd {
    stage: Stage,
    server: Server,
}

/// A message of the group, unless it is the end of all.
fn heard(message: &Value) -> Option<(usize, usize)> {
    let text = message["data"]["text"].as_str().unwrap_or_else(|| panic!("not said: {message}"));
    let mut words = text.split(' ').map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(publisher)), Some(Ok(number))) => Some((publisher, number)),
        _ => {
            assert_eq!(text, END);
            None
        }
    }
}

fn said(publisher: usize, number: usize) -> String {
    format!("{publisher} {number} {}", "x".repeat(PADDING))
}

async fn to_the_end(mut member: Socket) -> Heard {
    let mut all = Heard::new();
    while let Some(one) = heard(&member.next_json().await) {
        all.push(one);
    }
    all
}

/// Asks for something, and keeps what comes before the answer.
async fn asked(member: &mut Socket, name: &str, all: &mut Heard) {
    member.send_json(&json!({"type": name, "data": {"group": GROUP}, "id": name})).await;
    loop {
        let message = member.next_json().await;
        if message["re"] == name {
            return;
        }
        all.extend(heard(&message));
    }
}

/// Comes and goes until told to stop: what it heard each time.
async fn come_and_go(mut member: Socket, stop: Arc<AtomicBool>) -> Vec<Heard> {
    let mut visits = Vec::new();
    while !stop.load(Ordering::Relaxed) || visits.len() < 3 {
        let mut all = Heard::new();
        asked(&mut member, "join", &mut all).await;
        // A while that ends by itself when nobody speaks.
        for _ in 0..visits.len() * 3 % 20 {
            let Ok(message) = tokio::time::timeout(Duration::from_millis(5), member.next_json()).await else { break };
            all.extend(heard(&message));
        }
        asked(&mut member, "leave", &mut all).await;
        visits.push(all);
    }
    visits
}

impl Crowd {
    /// With outboxes that hold all that is ever sent.
    async fn new() -> Self {
        let config = Config::builder().outbox_messages(100_000).outbox_bytes(1 << 28).build().unwrap();
        let stage = Stage::with(World::default(), config);
        let server = socket::serve(&stage).await;
        Self { stage, server }
    }

    async fn member(&self, name: String) -> Socket {
        let mut member = self.server.connect(&name).await;
        assert_eq!(member.request("join", json!({ "group": GROUP })).await["type"], "$ok");
        member
    }

    /// Half of the publishers send from outside, half by handlers, in bursts.
    async fn publish(&self, publishers: usize, from: usize) {
        let mut tasks = JoinSet::new();
        for publisher in 0..publishers {
            if publisher % 2 == 0 {
                let layer = self.stage.layer.clone();
                tasks.spawn(async move {
                    for number in from..from + HALF {
                        let text = said(publisher, number);
                        layer.send_to_group(GROUP, ServerMessage::Said(Text { text })).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                });
            } else {
                let mut client = self.server.connect(&format!("publisher-{publisher}")).await;
                tasks.spawn(async move {
                    for first in (from..from + HALF).step_by(BURST) {
                        for number in first..first + BURST {
                            let data = json!({"group": GROUP, "text": said(publisher, number)});
                            client.send_json(&json!({"type": "say", "data": data})).await;
                        }
                        client.request("quiet", json!({})).await;
                    }
                });
            }
        }
        while let Some(done) = soon("publishing", tasks.join_next()).await {
            done.unwrap();
        }
    }

    async fn end(&self) {
        self.stage.layer.send_to_group(GROUP, ServerMessage::Said(Text { text: END.into() })).await.unwrap();
    }
}

/// Everything arrived once, and each publisher's messages in their order.
fn check_whole(all: &Heard, publishers: usize) {
    for publisher in 0..publishers {
        let numbers = all.iter().filter(|(of, _)| *of == publisher).map(|(_, number)| *number);
        assert!(numbers.eq(0..EACH), "publisher {publisher}");
    }
    assert_eq!(all.len(), publishers * EACH);
}

/// A visit is a piece of what those saw who stayed: no other order, and no gap.
fn check_visit(visit: &Heard, places: &HashMap<(usize, usize), usize>) {
    let places: Vec<_> = visit.iter().map(|one| places[one]).collect();
    assert!(places.windows(2).all(|two| two[1] == two[0] + 1), "of all that was sent, a guest heard {places:?}");
}

/// `staying` members that hear everything, and `guests` that come and go meanwhile.
async fn one_order(staying: usize, guests: usize, publishers: usize) {
    let crowd = Crowd::new().await;
    let (mut members, stop) = (Vec::new(), Arc::new(AtomicBool::new(false)));
    for number in 0..staying {
        members.push(tokio::spawn(to_the_end(crowd.member(format!("member-{number}")).await)));
    }
    let mut visitors = Vec::new();
    for number in 0..guests {
        let guest = crowd.server.connect(&format!("guest-{number}")).await;
        visitors.push(tokio::spawn(come_and_go(guest, Arc::clone(&stop))));
    }
    // Its client reads on when half of it is sent, and its socket has been full for long.
    let mut sleeper = crowd.member("sleeper".into()).await;
    for _ in 0..FILLING.0 {
        let filling = ServerMessage::Said(Text { text: "x".repeat(FILLING.1) });
        crowd.stage.layer.send_to_user("sleeper", filling).await.unwrap();
    }
    crowd.publish(publishers, 0).await;
    let sleeper = tokio::spawn(async move {
        for _ in 0..FILLING.0 {
            sleeper.next_json().await;
        }
        to_the_end(sleeper).await
    });
    crowd.publish(publishers, HALF).await;
    stop.store(true, Ordering::Relaxed);
    let mut visits = Vec::new();
    for visitor in visitors {
        visits.extend(soon("a guest", visitor).await.unwrap());
    }
    crowd.end().await;
    let order = soon("the sleeper", sleeper).await.unwrap();
    check_whole(&order, publishers);
    for member in members {
        assert!(soon("a member", member).await.unwrap() == order, "two members saw two orders");
    }
    let places = order.iter().enumerate().map(|(place, one)| (*one, place)).collect();
    visits.iter().for_each(|visit| check_visit(visit, &places));
    assert!(guests == 0 || visits.iter().any(|visit| visit.len() > 1), "nobody heard anything");
    assert_eq!(crowd.stage.layer.stats().dropped, 0);
    crowd.server.stop().await;
    crowd.stage.empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_within_one_slice_sees_one_order() {
    one_order(20, 8, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_of_several_slices_sees_one_order() {
    one_order(150, 20, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_group_without_guests_sees_one_order() {
    one_order(300, 0, 4).await;
}
