//! The promises of the memory backend, under 100 concurrent publishers while members come and go:
//! (M1) what is published after `join` returned arrives exactly once; (M2) one total order a group.

use std::sync::Arc;

use channels::testing::Client;
use channels::{Config, ConnectionState};
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::socket::{self, Socket};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PUBLISHERS: usize = 100;
/// Messages of each.
const AT_LEAST: usize = 20;
const STAYING: usize = 8;
const COMING_AND_GOING: usize = 8;
const ROUNDS: usize = 15;
const END: &str = "the end";

fn stage() -> Stage {
    // Large enough for everything: nobody is closed as slow, so nothing may be missing.
    let config = Config::builder().outbox_messages(1_000_000).outbox_bytes(1 << 30).build().unwrap();
    Stage::with(World::default(), config)
}

/// What one member of a group got.
type Seen = Vec<String>;

/// 100 tasks that send one message after the other until the others have done their part, as fast as one
/// member reads.
struct Publishers {
    tasks: JoinSet<(usize, usize)>,
    pace: Arc<Semaphore>,
    enough: CancellationToken,
}

impl Publishers {
    fn start(stage: &Arc<Stage>, group: &'static str) -> Self {
        let (pace, enough) = (Arc::new(Semaphore::new(500)), CancellationToken::new());
        let mut tasks = JoinSet::new();
        for publisher in 0..PUBLISHERS {
            let (stage, pace, enough) = (Arc::clone(stage), Arc::clone(&pace), enough.clone());
            tasks.spawn(async move {
                let mut sent = 0;
                while sent < AT_LEAST || !enough.is_cancelled() {
                    pace.acquire().await.unwrap().forget();
                    let said = ServerMessage::Said(Text { text: format!("{publisher} {sent}") });
                    stage.layer.send_to_group(group, said).await.unwrap();
                    sent += 1;
                }
                (publisher, sent)
            });
        }
        Self { tasks, pace, enough }
    }

    /// How many each has sent.
    async fn end(mut self) -> Vec<usize> {
        self.enough.cancel();
        let mut sent = vec![0; PUBLISHERS];
        while let Some(done) = self.tasks.join_next().await {
            let (publisher, count) = done.unwrap();
            sent[publisher] = count;
        }
        sent
    }
}

/// Who stayed saw everything, once, in one order, and each publisher's messages in theirs.
fn check_staying(seen: &[Seen], sent: &[usize]) {
    for other in &seen[1..] {
        assert!(*other == seen[0], "two members saw two orders");
    }
    for (publisher, sent) in sent.iter().enumerate() {
        let prefix = format!("{publisher} ");
        let own: Vec<_> = seen[0].iter().filter(|text| text.starts_with(&prefix)).cloned().collect();
        let sent: Vec<_> = (0..*sent).map(|number| format!("{prefix}{number}")).collect();
        assert_eq!(own, sent);
    }
    let marks = COMING_AND_GOING * ROUNDS * 2;
    assert_eq!(seen[0].len(), sent.iter().sum::<usize>() + marks);
}

fn comes(name: usize, round: usize) -> String {
    format!("guest {name} comes {round}")
}

fn goes(name: usize, round: usize) -> String {
    format!("guest {name} goes {round}")
}

/// Who came and went saw all that was said between a word of its own after joining and one before leaving.
fn check_going(name: usize, seen: &Seen, all: &Seen) {
    let find = |list: &Seen, mark: &str| {
        let found: Vec<_> = (0..list.len()).filter(|index| list[*index] == mark).collect();
        assert_eq!(found.len(), 1, "{mark:?} arrived {} times", found.len());
        found[0]
    };
    for round in 0..ROUNDS {
        let (come, go) = (comes(name, round), goes(name, round));
        let own = &seen[find(seen, &come)..=find(seen, &go)];
        let everybodys = &all[find(all, &come)..=find(all, &go)];
        assert!(own == everybodys, "round {round} of {name}: {} of {} messages", own.len(), everybodys.len());
    }
}

async fn read_to_the_end(mut client: Client, pace: Arc<Semaphore>) -> Seen {
    let mut seen = Seen::new();
    loop {
        match client.recv::<Text>().await.text {
            text if text == END => return seen,
            text => seen.push(text),
        }
        pace.add_permits(1);
    }
}

/// Joins, speaks, speaks, leaves.
async fn come_and_go(stage: &Stage, connection: &channels::Connection, name: usize, group: &str) {
    let say = async |text: String| {
        let receipt = stage.layer.send_to_group(group, ServerMessage::Said(Text { text })).await.unwrap();
        assert!(receipt.local > STAYING, "it is a member itself");
    };
    for round in 0..ROUNDS {
        assert!(connection.join(group).await.unwrap());
        say(comes(name, round)).await;
        tokio::task::yield_now().await;
        say(goes(name, round)).await;
        assert!(connection.leave(group));
        tokio::task::yield_now().await;
    }
    connection.join(group).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_process_a_member_gets_everything_once_and_in_one_order() {
    const GROUP: &str = "in process";
    let stage = Arc::new(stage());
    let mut clients = Vec::new();
    for number in 0..STAYING + COMING_AND_GOING {
        clients.push(stage.connect(&format!("user-{number}")).await);
    }
    stage.until(|_| clients.iter().all(|client| client.connection().state() == ConnectionState::Connected)).await;
    for client in &clients[..STAYING] {
        assert!(client.connection().join(GROUP).await.unwrap());
    }
    let publishers = Publishers::start(&stage, GROUP);
    let (mut guests, mut reading) = (JoinSet::new(), Vec::new());
    for (number, client) in clients.into_iter().enumerate() {
        if let Some(name) = number.checked_sub(STAYING) {
            let (stage, connection) = (Arc::clone(&stage), client.connection().clone());
            guests.spawn(async move { come_and_go(&stage, &connection, name, GROUP).await });
        }
        // The first sets the pace.
        let pace = if number == 0 { Arc::clone(&publishers.pace) } else { Arc::new(Semaphore::new(0)) };
        reading.push(tokio::spawn(read_to_the_end(client, pace)));
    }
    while let Some(done) = guests.join_next().await {
        done.unwrap();
    }
    let sent = publishers.end().await;
    stage.layer.send_to_group(GROUP, ServerMessage::Said(Text { text: END.into() })).await.unwrap();
    let mut seen = Vec::new();
    for member in reading {
        seen.push(member.await.unwrap());
    }
    check_staying(&seen[..STAYING], &sent);
    for (name, guest) in seen[STAYING..].iter().enumerate() {
        check_going(name, guest, &seen[0]);
    }
    assert_eq!(stage.layer.stats().dropped, 0);
    stage.empty().await;
}

async fn read_socket(mut socket: Socket, pace: Arc<Semaphore>) -> Seen {
    let mut seen = Seen::new();
    loop {
        match socket.next_json().await["data"]["text"].as_str() {
            Some(END) => return seen,
            Some(text) => seen.push(text.to_owned()),
            None => {}
        }
        pace.add_permits(1);
    }
}

/// Joins, speaks, speaks, leaves, all through its socket; what it reads meanwhile is what it saw.
async fn come_and_go_by_socket(mut socket: Socket, name: usize, group: &str) -> Seen {
    let mut seen = Seen::new();
    for round in 0..ROUNDS {
        let steps = [
            ("join", json!({ "group": group })),
            ("say", json!({ "group": group, "text": comes(name, round) })),
            ("say", json!({ "group": group, "text": goes(name, round) })),
            ("leave", json!({ "group": group })),
        ];
        for (step, data) in steps {
            socket.send_json(&json!({"type": step, "data": data, "id": step})).await;
            loop {
                let message = socket.next_json().await;
                if message["re"] == step {
                    assert_eq!(message["type"], "$ok");
                    break;
                }
                seen.push(message["data"]["text"].as_str().unwrap().to_owned());
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_sockets_a_member_gets_everything_once_and_in_one_order() {
    const GROUP: &str = "over sockets";
    let stage = Arc::new(stage());
    let server = socket::serve(&stage).await;
    let mut sockets = Vec::new();
    for number in 0..STAYING {
        let mut socket = server.connect(&format!("staying-{number}")).await;
        socket.request("join", json!({ "group": GROUP })).await;
        sockets.push(socket);
    }
    let publishers = Publishers::start(&stage, GROUP);
    let mut staying = Vec::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        let pace = if number == 0 { Arc::clone(&publishers.pace) } else { Arc::new(Semaphore::new(0)) };
        staying.push(tokio::spawn(read_socket(socket, pace)));
    }
    let mut guests = Vec::new();
    for name in 0..COMING_AND_GOING {
        let socket = server.connect(&format!("guest-{name}")).await;
        guests.push(tokio::spawn(come_and_go_by_socket(socket, name, GROUP)));
    }
    let mut seen_by_guests = Vec::new();
    for guest in guests {
        seen_by_guests.push(guest.await.unwrap());
    }
    let sent = publishers.end().await;
    stage.layer.send_to_group(GROUP, ServerMessage::Said(Text { text: END.into() })).await.unwrap();
    let mut seen = Vec::new();
    for member in staying {
        seen.push(member.await.unwrap());
    }
    check_staying(&seen, &sent);
    for (name, guest) in seen_by_guests.iter().enumerate() {
        check_going(name, guest, &seen[0]);
    }
    assert_eq!(stage.layer.stats().dropped, 0);
    stage.empty().await;
}
