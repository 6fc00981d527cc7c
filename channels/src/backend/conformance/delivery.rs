//! What is sent arrives: in one order, as it was, at its topic only.

use bytestring::ByteString;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::recorder::{SILENCE, group_named, shown, user_named};
use crate::backend::{Backend, Destination, Envelope};
use crate::id::ConnectionId;

const PUBLISHERS: usize = 100;
const MESSAGES_EACH: usize = 20;
/// As long as a layer lets a name of a group be, in bytes.
const LONGEST_NAME: usize = 512;
/// As large as a message may be by default.
const LARGE: usize = 10 << 20;

/// 100 publishers at once: every node sees one order, and each publisher's messages in theirs.
///
/// # Panics
///
/// Where a message is lost, doubled, or out of order.
pub async fn one_order<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "one_order";
    let cluster = Cluster::start(CHECK, make).await;
    let at = group_named("busy");
    cluster.subscribe_all(&at).await;
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (node, at) = (cluster.node(publisher).clone(), at.clone());
        publishers.spawn(async move {
            for message in 0..MESSAGES_EACH {
                node.publish(&at, Envelope::new(format!("{publisher} {message}"))).await;
                tokio::task::yield_now().await;
            }
        });
    }
    finished(CHECK, publishers).await;
    for node in &cluster.nodes {
        node.sink.exactly(CHECK, &at, PUBLISHERS * MESSAGES_EACH).await;
        let seen = node.sink.payloads(&at);
        for publisher in 0..PUBLISHERS {
            let prefix = format!("{publisher} ");
            let own: Vec<_> = seen.iter().filter(|payload| payload.starts_with(&prefix)).collect();
            let sent: Vec<_> = (0..MESSAGES_EACH).map(|message| format!("{prefix}{message}")).collect();
            assert!(own.iter().copied().eq(&sent), "{CHECK}: publisher {publisher} sent one after the other: {own:?}");
        }
        let first = cluster.nodes[0].sink.payloads(&at);
        assert!(seen == first, "{CHECK}: two nodes see one group in two orders");
    }
    cluster.stop().await;
}

/// Waits for tasks, and panics as they do.
pub(super) async fn finished(check: &str, mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("{check}: a task did not end: {error}"),
            }
        }
    }
}

/// Payloads arrive byte by byte: empty ones, ones with every kind of character, and 10 MB.
///
/// # Panics
///
/// Where one is another than it was.
pub async fn bytes_arrive_as_they_were<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "bytes_arrive_as_they_were";
    let cluster = Cluster::start(CHECK, make).await;
    let at = group_named("bytes");
    cluster.subscribe_all(&at).await;
    let payloads = payloads();
    for (number, payload) in payloads.iter().enumerate() {
        cluster.node(number).publish(&at, Envelope::new(payload.clone())).await;
        for node in &cluster.nodes {
            node.sink.reached(CHECK, &at, number + 1).await;
        }
    }
    for node in &cluster.nodes {
        node.sink.exactly(CHECK, &at, payloads.len()).await;
        for (arrived, sent) in node.sink.payloads(&at).iter().zip(&payloads) {
            assert!(arrived == sent, "{CHECK}: {} arrived as {}", shown(sent), shown(arrived));
        }
    }
    cluster.stop().await;
}

fn payloads() -> Vec<ByteString> {
    let every_ascii: String = (0..128_u8).map(char::from).collect();
    let edges = "\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}\u{feff}";
    let texts =
        ["", " ", "\0", "\r\n", "$5\r\nhello\r\n", "*1\r\n", r#"{"type":"a"}"#, "{}", "🦀é", edges, &every_ascii];
    let mut payloads: Vec<ByteString> = texts.into_iter().map(ByteString::from).collect();
    payloads.push("🦀".repeat(LARGE / 4).into());
    payloads
}

/// A name is only itself: none is a pattern, a prefix or another kind of topic.
///
/// # Panics
///
/// Where a message is lost for its topic's name, or reaches another topic.
pub async fn names_are_distinct<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "names_are_distinct";
    let cluster = Cluster::start(CHECK, make).await;
    let addresses = addresses();
    for at in &addresses {
        cluster.subscribe_all(at).await;
    }
    for (number, at) in addresses.iter().enumerate() {
        cluster.node(number).publish(at, Envelope::new(format!("{at:?}"))).await;
    }
    for node in &cluster.nodes {
        for at in &addresses {
            node.sink.reached(CHECK, at, 1).await;
        }
    }
    // One silence for all of them.
    tokio::time::sleep(SILENCE).await;
    for node in &cluster.nodes {
        for at in &addresses {
            let arrived = node.sink.payloads(at);
            assert_eq!(arrived, [format!("{at:?}")], "{CHECK}: another topic's message reached this one");
        }
    }
    cluster.stop().await;
}

fn addresses() -> Vec<Destination> {
    let long = "x".repeat(LONGEST_NAME);
    let longer_by_one = &long[1..];
    let groups = [
        "ada",
        "ADA",
        "ws:",
        "ws:ada",
        "ws:group:ada",
        "group:ada",
        "user:ada",
        "g:ada",
        "u:ada",
        "{}",
        "{ada}",
        "{ws:}ada",
        "*",
        "a*",
        "?da",
        "[a]da",
        "ada.*",
        "ada ",
        " ",
        "\0",
        "a\0b",
        "a\nb",
        "a\r\nb",
        "%s",
        "🦀",
        "é",
        "e\u{301}",
        &long,
        longer_by_one,
    ];
    let users = ["ada", "ws:", "{}", "{ada}", "*", "group:ada", "🦀"];
    groups.into_iter().map(group_named).chain(users.into_iter().map(user_named)).collect()
}

/// Which connection does not get a message is passed on, to every node.
///
/// # Panics
///
/// Where it is lost, or appears from nowhere.
pub async fn excluded_connection<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "excluded_connection";
    let cluster = Cluster::start(CHECK, make).await;
    let at = group_named("but-one");
    cluster.subscribe_all(&at).await;
    let nobody = Envelope::new("nobody");
    let one = Envelope::new("one").except(ConnectionId::new(u64::MAX, u64::MAX));
    let other = Envelope::new("other").except(ConnectionId::new(0, 1));
    let sent = [nobody.clone(), one, other, nobody];
    for (number, envelope) in sent.iter().enumerate() {
        // One after the other from different nodes: each arrives everywhere before the next is sent.
        cluster.node(number).publish(&at, envelope.clone()).await;
        for node in &cluster.nodes {
            node.sink.reached(CHECK, &at, number + 1).await;
        }
    }
    for node in &cluster.nodes {
        node.sink.exactly(CHECK, &at, sent.len()).await;
        assert_eq!(node.sink.envelopes(&at), sent, "{CHECK}");
    }
    cluster.stop().await;
}

/// A command arrives as one, behind what was sent before it.
///
/// # Panics
///
/// Where it arrives as a message, or out of order.
pub async fn commands_are_no_messages<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "commands_are_no_messages";
    let cluster = Cluster::start(CHECK, make).await;
    let at = user_named("commanded");
    cluster.subscribe_all(&at).await;
    let but_one = Envelope::command("{\"a\":1}").except(ConnectionId::new(1, 2));
    let sent = [Envelope::new("before"), Envelope::command("{}"), but_one, Envelope::new("after")];
    for envelope in &sent {
        cluster.node(0).publish(&at, envelope.clone()).await;
    }
    for node in &cluster.nodes {
        node.sink.exactly(CHECK, &at, sent.len()).await;
        assert_eq!(node.sink.envelopes(&at), sent, "{CHECK}");
    }
    cluster.stop().await;
}

/// A topic that nobody has takes messages, and what was sent there is not kept for who comes later.
///
/// # Panics
///
/// Where sending fails, or an old message arrives.
pub async fn empty_topics<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    const CHECK: &str = "empty_topics";
    let cluster = Cluster::start(CHECK, make).await;
    let (group, user) = (group_named("nobody"), user_named("nobody"));
    for node in &cluster.nodes {
        node.publish(&group, Envelope::new("early")).await;
        node.publish(&user, Envelope::new("early")).await;
    }
    let before = |at: &Destination| cluster.nodes.iter().map(|node| node.sink.payloads(at).len()).collect::<Vec<_>>();
    for at in [&group, &user] {
        // A sink may be handed messages of topics that it has not subscribed, but not afterwards.
        let before = before(at);
        cluster.subscribe_all(at).await;
        cluster.node(0).publish(at, Envelope::new("late")).await;
        for (node, before) in cluster.nodes.iter().zip(before) {
            node.sink.exactly(CHECK, at, before + 1).await;
            assert_eq!(node.sink.payloads(at).last().map(|last| &**last), Some("late"), "{CHECK}");
        }
    }
    cluster.stop().await;
}
