//! What fits, what is told, and in which order it goes out.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::*;
use crate::close::CloseCode;
use crate::config::Config;
use crate::connection::{Connection, Memberships, Variant};
use crate::error::Error;
use crate::limits::{UnfinishedBytes, Verdicts};
use crate::message::Layout;
use crate::timings::Timings;
use crate::websocket::data;

struct Alone;

impl Memberships for Alone {
    fn join<'a>(&'a self, _: &'a Connection, _: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        async { Ok(false) }.boxed()
    }

    fn leave(&self, _: &Connection, _: &str) -> bool {
        false
    }

    fn leave_everything(&self, _: &Connection) {}

    fn recheck<'a>(&'a self, _: &'a Connection) -> BoxFuture<'a, Vec<String>> {
        async { Vec::new() }.boxed()
    }
}

fn outbox(messages: usize, bytes: usize, policy: OutboxPolicy) -> Outbox {
    let config = Config::default();
    let verdicts = Arc::new(Verdicts::new(&config, Arc::default()));
    Outbox::new(Arc::new(Link {
        memberships: Arc::new(Alone),
        gate: None,
        counters: Arc::default(),
        first_frame: None,
        metering: None,
        unfinished: UnfinishedBytes::new(&config, 1, &verdicts),
        handlers: Timings::default().of_handlers(&[]),
        serializers: Arc::new([]),
        variant: Variant::default(),
        layout: Layout::DEFAULT,
        extras: true,
        outbox: OutboxLimits { messages, bytes, policy },
        compress_from: 0,
        runtime: Handle::current(),
        since: tokio::time::Instant::now(),
    }))
}

/// What became of messages of these sizes, one after the other.
fn pushed<const N: usize>(outbox: &Outbox, sizes: [usize; N], share: Share<'_>) -> [bool; N] {
    let rule = match outbox.lane.look(|waiting| waiting.link.outbox.policy) {
        OutboxPolicy::DropNewest => Rule::DropNewest,
        _ => Rule::Close,
    };
    sizes.map(|size| matches!(outbox.push(message(size), share, rule, true).0, Pushed::Queued))
}

fn message(size: usize) -> Chunk {
    data(OpCode::Binary, &vec![0; size], false)
}

/// The payloads of what is taken now.
async fn taken(outbox: &Outbox) -> Vec<usize> {
    let batch = outbox.next().await;
    let sizes = batch.queue.iter().map(|chunk| chunk.payload).collect();
    outbox.done(Batch { queue: Queue::Empty, ..batch });
    sizes
}

#[tokio::test]
async fn it_is_bounded_in_messages_and_nothing_follows_what_did_not_fit() {
    let outbox = outbox(2, 1000, OutboxPolicy::Close);
    assert_eq!(pushed(&outbox, [1, 2, 3], Share::Own), [true, true, false]);
    assert_eq!(taken(&outbox).await, [1, 2]);
    assert_eq!(pushed(&outbox, [4], Share::Own), [false], "the client would see a gap");
}

#[tokio::test]
async fn it_is_bounded_in_bytes_but_takes_one_of_any_size() {
    let outbox = outbox(100, 10, OutboxPolicy::Close);
    assert_eq!(pushed(&outbox, [1000], Share::Own), [true]);
    assert_eq!(taken(&outbox).await, [1000]);
    assert_eq!(pushed(&outbox, [6, 4, 1], Share::Own), [true, true, false]);
}

#[tokio::test]
async fn what_others_get_too_waits_until_the_connect_hook_has_spoken() {
    let outbox = outbox(3, 100, OutboxPolicy::Close);
    assert_eq!(pushed(&outbox, [2], Share::Others(None)), [true]);
    assert_eq!(pushed(&outbox, [1], Share::Own), [true]);
    assert_eq!(taken(&outbox).await, [1]);
    assert_eq!(pushed(&outbox, [3], Share::Others(None)), [true]);
    outbox.open();
    assert_eq!(pushed(&outbox, [4, 5], Share::Others(None)), [true, false]);
    assert_eq!(taken(&outbox).await, [2, 3, 4]);
}

#[tokio::test]
async fn a_run_that_does_not_fit_whole_has_to_come_one_by_one() {
    let outbox = outbox(2, 1000, OutboxPolicy::DropNewest);
    let run = Chunk { messages: 3, ..message(9) };
    assert!(matches!(outbox.push(run, Share::Others(None), Rule::DropNewest, true).0, Pushed::TooMany));
    assert_eq!(pushed(&outbox, [1, 2, 3], Share::Others(Some("rust"))), [true, true, false]);
    outbox.open();
    let batch = outbox.next().await;
    let last = batch.queue.iter().last().map(|chunk| chunk.bytes.clone()).unwrap();
    assert!(last.ends_with(br#"{"type":"$dropped","data":{"count":1,"group":"rust"}}"#), "{last:?}");
}

#[tokio::test]
async fn what_was_dropped_early_is_told_once_the_connect_hook_has_spoken() {
    let outbox = outbox(2, 1000, OutboxPolicy::DropNewest);
    assert_eq!(pushed(&outbox, [1, 2, 3], Share::Others(Some("rust"))), [true, true, false]);
    outbox.tell_dropped(None, 1);
    assert!(outbox.next().now_or_never().is_none(), "before the hook has said anything");
    outbox.open();
    let batch = outbox.next().await;
    let chunks: Vec<_> = batch.queue.iter().map(|chunk| chunk.bytes.clone()).collect();
    assert_eq!(chunks.len(), 4);
    assert!(chunks[2].ends_with(br#"{"type":"$dropped","data":{"count":1,"group":"rust"}}"#), "{:?}", chunks[2]);
}

#[tokio::test]
async fn an_answer_may_take_as_much_room_again() {
    let outbox = outbox(2, 10, OutboxPolicy::DropNewest);
    let answer = |size| outbox.push(message(size), Share::Own, Rule::Reserved, true).0;
    assert_eq!(pushed(&outbox, [1, 2, 3], Share::Own), [true, true, false]);
    assert!(matches!(answer(8), Pushed::Queued));
    assert_eq!(pushed(&outbox, [1], Share::Own), [false], "no room for others");
    assert!(matches!(answer(9), Pushed::Queued));
    assert!(matches!(answer(1), Pushed::Full));
    assert_eq!(taken(&outbox).await, [1, 2, 8, 9]);
}

#[tokio::test]
async fn the_last_that_is_said_fits_whatever_waits() {
    for policy in [OutboxPolicy::Close, OutboxPolicy::DropNewest] {
        let outbox = outbox(2, 10, policy);
        assert_eq!(pushed(&outbox, [5, 5], Share::Own), [true, true]);
        assert!(matches!(outbox.push(message(3), Share::Own, Rule::Last, true).0, Pushed::Queued));
        assert_eq!(taken(&outbox).await, [5, 5, 3]);
    }
}

#[tokio::test]
async fn what_was_queued_before_the_end_is_still_written_and_nothing_after_it() {
    let outbox = outbox(10, 10, OutboxPolicy::Close);
    pushed(&outbox, [1], Share::Own);
    outbox.end(CloseReason::server(CloseCode::SERVICE_RESTART, "bye"));
    assert!(matches!(outbox.push(message(1), Share::Own, Rule::Close, true).0, Pushed::Closed));
    let batch = outbox.next().await;
    let frames: Vec<_> = batch.queue.iter().map(|chunk| chunk.bytes.clone()).collect();
    assert_eq!(frames.len(), 2);
    assert!(frames[1].ends_with(b"bye") && frames[1][..4] == [0x88, 5, 0x03, 0xf4], "{:?}", frames[1]);
    assert!(!outbox.is_finished());
    outbox.done(Batch { queue: Queue::Empty, ..batch });
    assert!(outbox.is_finished());
}
