//! What waits for a client that does not read, message by message: each type by its own policy.

use std::collections::BTreeMap;

use axum::Router;
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{Config, OutboxPolicy, UserId};
use channels_tests::probe::{Act, Hint, Moved, Probe, ServerMessage, Stage, Text, World};
use serde_json::json;

const MESSAGES: usize = 8;

fn stage(groups: Vec<&'static str>) -> Stage {
    let config = Config::builder().outbox_messages(MESSAGES).build().unwrap();
    Stage::with(World { groups, ..World::default() }, config)
}

/// A member of all groups that has stopped to read, and would be told what was dropped.
async fn slow(stage: &Stage) -> Client {
    let mut client = stage.connecting("slow").protocol("channels.v1.json").await.unwrap();
    client.request(0, "quiet", &()).await;
    assert_eq!(client.next_message().await.name, "$ok");
    client.stop_reading();
    client
}

fn said(text: impl ToString) -> ServerMessage {
    ServerMessage::Said(Text { text: text.to_string() })
}

fn moved(who: &str, to: usize) -> ServerMessage {
    ServerMessage::Moved(Moved::new(who, to))
}

fn hinted(hint: impl ToString) -> ServerMessage {
    ServerMessage::Hinted(Hint { hint: hint.to_string() })
}

/// A message in a few letters.
async fn next(client: &mut Client) -> String {
    let message = client.next_message().await;
    let data = &message.data;
    match &*message.name {
        "said" => data["text"].as_str().unwrap().to_owned(),
        "moved" => format!("{}{}", data["who"].as_str().unwrap(), data["to"]),
        "hinted" => data["hint"].as_str().unwrap().to_owned(),
        "$dropped" => format!("-{} {}", data["count"], data["group"].as_str().unwrap_or("")),
        other => panic!("{other}: {data}"),
    }
}

async fn hears(client: &mut Client, expected: &[&str]) {
    client.go_on_reading();
    for text in expected {
        assert_eq!(next(client).await, *text);
    }
    client.assert_silent().await;
    client.stop_reading();
}

#[tokio::test(start_paused = true)]
async fn the_latest_takes_the_place_of_what_waits_behind_all_that_was_sent_before_it() {
    let stage = stage(vec!["g"]);
    let mut slow = slow(&stage).await;
    let send = async |message| stage.layer.send_to_group("g", message).await.map(|_| ()).unwrap();
    for message in [moved("a", 1), said("x"), moved("b", 1), moved("a", 2), said("y"), moved("a", 3)] {
        send(message).await;
    }
    hears(&mut slow, &["x", "b1", "y", "a3"]).await;
    // What was written is not replaced.
    send(moved("a", 4)).await;
    hears(&mut slow, &["a4"]).await;
    assert_eq!((stage.layer.stats().conflated, stage.layer.stats().dropped), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_different_targets_is_not_about_the_same() {
    let stage = stage(vec!["g", "h"]);
    let mut slow = slow(&stage).await;
    let id = slow.connection().id();
    for round in 1..3 {
        let to = |target: usize| moved("a", 10 * target + round);
        stage.layer.send_to_group("g", to(1)).await.unwrap();
        stage.layer.send_to_group("h", to(2)).await.unwrap();
        stage.layer.send_to_user("slow", to(3)).await.unwrap();
        stage.layer.send_to_connection(id, to(4)).await.unwrap();
        stage.layer.broadcast(to(5)).await.unwrap();
        slow.connection().send(to(6)).unwrap();
        stage.layer.send_to_group_except("g", id, to(7)).await.unwrap();
    }
    hears(&mut slow, &["a12", "a22", "a32", "a42", "a52", "a62"]).await;
    assert_eq!(stage.layer.stats().conflated, 6);
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_takes_what_replaces_something_and_is_closed_by_what_does_not() {
    let stage = stage(vec!["g"]);
    let mut slow = slow(&stage).await;
    for number in 0..MESSAGES {
        stage.layer.send_to_group("g", moved(&number.to_string(), number)).await.unwrap();
    }
    for number in 0..100 {
        let receipt = stage.layer.send_to_group("g", moved("3", number)).await.unwrap();
        assert_eq!(receipt.local, 1);
    }
    stage.layer.send_to_group("g", hinted("left out")).await.unwrap();
    assert!(!slow.connection().groups().is_empty());
    assert_eq!((stage.layer.stats().conflated, stage.layer.stats().dropped), (100, 1));
    assert_eq!(stage.layer.send_to_group("g", moved("new", 1)).await.unwrap().local, 0);
    stage.until(|world| world.ends().len() == 1).await;
    slow.go_on_reading();
    assert_eq!(slow.closed().await.code().as_u16(), 4413);
    stage.empty().await;
    // Those that waited, the hint and the last one.
    assert_eq!(stage.layer.stats().dropped, MESSAGES as u64 + 2);
}

#[tokio::test(start_paused = true)]
async fn a_larger_one_takes_the_place_of_a_smaller_one_within_the_bytes() {
    let config = Config::builder().outbox_bytes(10_000).build().unwrap();
    let stage = Stage::with(World { groups: vec!["g"], ..World::default() }, config);
    let mut slow = slow(&stage).await;
    let sized = |size| ServerMessage::Moved(Moved { padding: "x".repeat(size), ..Moved::new("a", size) });
    stage.layer.send_to_group("g", said("first")).await.unwrap();
    for size in [1, 9_000, 2, 9_500, 3_000] {
        stage.layer.send_to_group("g", sized(size)).await.unwrap();
    }
    hears(&mut slow, &["first", "a3000"]).await;
    stage.layer.send_to_group("g", said("first")).await.unwrap();
    stage.layer.send_to_group("g", sized(1)).await.unwrap();
    stage.layer.send_to_group("g", sized(10_000)).await.unwrap();
    slow.go_on_reading();
    assert_eq!(slow.closed().await.code().as_u16(), 4413, "even in its place there is no room for it");
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_connect_hook_has_spoken_is_replaced_as_well() {
    let world =
        World { groups: vec!["g"], on_connect: Act::Wait(std::time::Duration::from_secs(1)), ..World::default() };
    let stage = Stage::with(world, Config::builder().outbox_messages(MESSAGES).build().unwrap());
    let mut client = stage.connect("ada").await;
    client.joined("g").await;
    client.stop_reading();
    for number in 0..20 {
        stage.layer.send_to_group("g", moved("a", number)).await.unwrap();
        stage.layer.send_to_user("ada", moved("u", number)).await.unwrap();
        client.connection().send(moved("own", number)).unwrap();
    }
    stage.layer.send_to_group("g", said("between")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    stage.layer.send_to_user("ada", moved("u", 20)).await.unwrap();
    client.connection().send(moved("own", 20)).unwrap();
    hears(&mut client, &["a19", "between", "u20", "own20"]).await;
    assert_eq!(stage.layer.stats().conflated, 3 * 19 + 2);
}

#[tokio::test(start_paused = true)]
async fn each_request_is_answered_though_its_answer_could_be_replaced() {
    let stage = stage(vec![]);
    let mut slow = slow(&stage).await;
    for number in 0..3 {
        slow.request(number, "move", &Moved::new("a", number)).await;
        slow.send("move", &Moved::new("b", number)).await;
    }
    // The last of what is no answer is in place when all has been handled.
    while stage.layer.stats().conflated < 2 {
        tokio::task::yield_now().await;
    }
    slow.go_on_reading();
    for number in 0..3 {
        let answer = slow.next_message().await;
        assert_eq!((&answer.data["to"], answer.re), (&json!(number), Some(json!(number))));
    }
    hears(&mut slow, &["b2"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_keep_the_latest_of_each_type() {
    let stage = stage(vec!["g", "h"]);
    let route = stage.layer.serve::<Probe>().outbox_policy(OutboxPolicy::Latest).into_route();
    let app: Router = Router::new().route("/ws/{user}", route).with_state(std::sync::Arc::clone(&stage.world));
    let mut slow = testing::connect_to(&app).path("/ws/slow").await.unwrap();
    slow.joined("h").await;
    slow.stop_reading();
    for round in 1..=MESSAGES + 3 {
        stage.layer.send_to_group("g", said(format!("g{round}"))).await.unwrap();
        stage.layer.send_to_group("h", said(format!("h{round}"))).await.unwrap();
        stage.layer.send_to_group("h", moved(["a", "b"][round % 2], round)).await.unwrap();
    }
    slow.connection().send(said("own")).unwrap();
    slow.connection().send(said("own too")).unwrap();
    for text in ["to it", "and this"] {
        stage.layer.send_to_connection(slow.connection().id(), said(text)).await.unwrap();
    }
    hears(&mut slow, &["a10", "g11", "h11", "b11", "own", "own too", "to it", "and this"]).await;
    assert_eq!(stage.layer.stats().dropped, 0);
}

#[derive(Debug, Incoming)]
enum Request {
    /// Answered when the outbox is full.
    Ask,
    Fail,
}

#[derive(Default)]
struct Careless;

#[consumer(incoming = Request, outgoing = ServerMessage, outbox = "drop_newest")]
impl Careless {
    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), channels::Error> {
        conn.join("g").await.map(drop)
    }

    #[on("ask")]
    async fn ask(&self, layer: ChannelLayer) -> Result<Text, channels::Error> {
        fill(&layer).await;
        Ok(Text { text: "answer".into() })
    }

    #[on("fail")]
    async fn fail(&self, layer: ChannelLayer) -> Result<(), channels::Error> {
        fill(&layer).await;
        Err(channels::Error::validation("it", "is wrong"))
    }
}

async fn fill(layer: &ChannelLayer) {
    for number in 0..MESSAGES + 2 {
        layer.send_to_group("g", hinted(number)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_without_messages_answers_each_request() {
    let layer = ChannelLayer::memory_with(Config::builder().outbox_messages(MESSAGES).build().unwrap());
    let mut client = testing::connect::<Careless>(&layer, ()).protocol("channels.v1.json").await.unwrap();
    client.joined("g").await;
    for (id, (request, answer)) in [("ask", "said"), ("fail", "error")].into_iter().enumerate() {
        client.stop_reading();
        client.request(id, request, &()).await;
        while layer.stats().dropped < (id as u64 + 1) * 2 {
            tokio::task::yield_now().await;
        }
        client.go_on_reading();
        for number in 0..MESSAGES {
            assert_eq!(next(&mut client).await, number.to_string());
        }
        let answered = client.next_message().await;
        assert_eq!((&*answered.name, answered.re), (answer, Some(json!(id))));
        assert_eq!(next(&mut client).await, "-2 g");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_do_without_and_the_route_has_the_last_word() {
    let layer = ChannelLayer::memory_with(Config::builder().outbox_messages(MESSAGES).build().unwrap());
    let closing = layer.serve::<Careless>().outbox_policy(OutboxPolicy::Close).into_route();
    let app: Router = Router::new().route("/own", layer.serve::<Careless>().into_route()).route("/closing", closing);
    let mut own = testing::connect_to(&app).path("/own").protocol("channels.v1.json").await.unwrap();
    let mut closing = testing::connect_to(&app).path("/closing").await.unwrap();
    for client in [&own, &closing] {
        client.joined("g").await;
        client.stop_reading();
    }
    for number in 0..MESSAGES + 2 {
        layer.send_to_group("g", said(number)).await.unwrap();
    }
    closing.go_on_reading();
    assert_eq!(closing.closed().await.code().as_u16(), 4413);
    hears(&mut own, &["0", "1", "2", "3", "4", "5", "6", "7", "-2 g"]).await;
}

/// What a client should find waiting, and what it should be told.
#[derive(Default)]
struct Expected {
    waiting: Vec<(Option<(&'static str, &'static str)>, String)>,
    dropped: BTreeMap<&'static str, u64>,
    conflated: u64,
}

impl Expected {
    /// Whether the connection lives on.
    fn send(&mut self, slot: Option<(&'static str, &'static str)>, text: String) -> bool {
        let before = slot.and_then(|_| self.waiting.iter().position(|(of, _)| *of == slot));
        if let Some(before) = before {
            self.waiting.remove(before);
            self.conflated += 1;
        }
        let fits = self.waiting.len() < MESSAGES;
        if fits {
            self.waiting.push((slot, text));
        }
        fits
    }
}

/// Numbers that look random, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Random sends of all kinds to two groups, read now and then, against a plain model.
#[tokio::test(start_paused = true)]
async fn any_mixture_of_policies_leaves_what_each_of_them_promises() {
    let mut closed = 0;
    for seed in 0..60 {
        let stage = stage(vec!["g", "h"]);
        let mut slow = slow(&stage).await;
        let (mut numbers, mut expected) = (Numbers(seed), Expected::default());
        let mut conflated = 0;
        for step in 0..300 {
            let group = ["g", "h"][numbers.below(2)];
            let lives = match numbers.below(14) {
                0..7 => {
                    let who = ["a", "b", "c"][numbers.below(3)];
                    stage.layer.send_to_group(group, moved(who, step)).await.unwrap();
                    expected.send(Some((group, who)), format!("{who}{step}"))
                }
                7..9 => {
                    stage.layer.send_to_group(group, hinted(step)).await.unwrap();
                    if !expected.send(None, step.to_string()) {
                        *expected.dropped.entry(group).or_default() += 1;
                    }
                    true
                }
                9 => {
                    stage.layer.send_to_group(group, said(step)).await.unwrap();
                    expected.send(None, step.to_string())
                }
                _ => {
                    let waiting = expected.waiting.drain(..).map(|(_, text)| text);
                    let told = std::mem::take(&mut expected.dropped).into_iter();
                    let mut all: Vec<_> =
                        waiting.chain(told.map(|(group, count)| format!("-{count} {group}"))).collect();
                    let mut heard = Vec::new();
                    slow.go_on_reading();
                    for _ in 0..all.len() {
                        heard.push(next(&mut slow).await);
                    }
                    slow.assert_silent().await;
                    slow.stop_reading();
                    // Of two groups, whichever lost first is told first.
                    let told = all.iter().position(|text| text.starts_with('-')).unwrap_or(all.len());
                    heard[told..].sort_unstable();
                    all[told..].sort_unstable();
                    assert_eq!(heard, all, "seed {seed}, step {step}");
                    true
                }
            };
            conflated = expected.conflated;
            if !lives {
                slow.go_on_reading();
                assert_eq!(slow.closed().await.code().as_u16(), 4413, "seed {seed}, step {step}");
                closed += 1;
                break;
            }
        }
        assert_eq!(stage.layer.stats().conflated, conflated, "seed {seed}");
    }
    assert!((5..55).contains(&closed), "{closed} of 60 were closed");
}

/// Keys and policies are the message's, whoever sends it: a reply, an answer, a user's send.
#[tokio::test(start_paused = true)]
async fn several_fields_make_a_key() {
    #[derive(Debug, serde::Serialize)]
    struct Inner {
        room: String,
    }
    #[derive(Debug, serde::Serialize)]
    struct Cursor {
        at: Inner,
        user: UserId,
    }
    #[derive(Debug, Outgoing)]
    #[allow(dead_code, reason = "to be looked at")]
    enum Out<'a> {
        #[channels(outbox = "latest", key = ["at.room", user])]
        Cursor(&'a Cursor),
        #[channels(outbox = "latest", key = 0)]
        Pair((u8, u8)),
        #[channels(rename = "any", outbox = "latest")]
        Any,
        #[channels(outbox = "close")]
        Urgent,
        Plain,
    }
    use channels::message::{Key, MessagePolicy};
    let user = UserId::new("ada").unwrap();
    let cursor = Cursor { at: Inner { room: "rust".into() }, user };
    let key = |name: &str, fields: serde_json::Value| MessagePolicy::Latest(Key::new(name, &fields).unwrap());
    assert_eq!(Out::Cursor(&cursor).outbox().unwrap(), key("cursor", json!(["rust", "ada"])));
    assert_eq!(Out::Pair((1, 2)).outbox().unwrap(), key("pair", json!([1])));
    assert_eq!(Out::Any.outbox().unwrap(), key("any", json!(null)));
    assert_eq!(Out::Urgent.outbox().unwrap(), MessagePolicy::Close);
    assert_eq!(Out::Plain.outbox().unwrap(), MessagePolicy::OfConsumer);
}
