//! What is dropped where it waits, because its time is up, and breaks by that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use channels::prelude::*;
use channels::testing;
use channels::{CloseCode, Config, Error};
use channels_tests::probe::{Stage, World};
use channels_tests::waiting::until;

use super::fragile::Waiting;
use super::{TIME, stuck, told_of_a_fault};

/// More than are asked about at once.
const MEMBERS: usize = 50;

#[tokio::test(start_paused = true)]
async fn whoever_cannot_say_that_they_may_stay_leaves_and_nobody_after_them_is_forgotten() {
    let is_stuck = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_stuck);
    let config = Config::builder().handler_timeout(TIME).build().unwrap();
    let builder = ChannelLayer::builder(config).authorize(move |_, _| {
        let asked = Arc::clone(&asked);
        async move {
            if asked.load(Ordering::SeqCst) {
                stuck().await;
            }
            true
        }
    });
    let stage = Stage::over(World { groups: vec!["room"], ..World::default() }, builder.connect().await.unwrap());
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let member = stage.connect(&format!("user-{number}")).await;
        member.joined("room").await;
        members.push(member);
    }
    is_stuck.store(true, Ordering::SeqCst);
    stage.layer.recheck_group("room").await.unwrap();
    until(|| stage.layer.registry().group_len("room") == 0).await;
    let stats = stage.layer.stats();
    assert_eq!((stats.revoked, stats.errors_total(), stats.connections), (MEMBERS as u64, MEMBERS as u64, MEMBERS));
    assert!(members.iter().all(|member| member.connection().groups().is_empty()));
}

/// Does not wait by itself, but for what it is given.
#[derive(Default)]
struct Hasty;

#[consumer]
impl Hasty {
    #[on_text]
    fn text(&self, _text: ByteString, _: Waiting) {}
}

#[tokio::test(start_paused = true)]
async fn an_extractor_that_breaks_where_a_handler_is_begun_once_more_costs_its_message_only() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Hasty>(&layer, ()).await.unwrap();
    for count in 1..=2 {
        ada.send_text("hi").await;
        told_of_a_fault(&mut ada, "an extractor that waits").await;
        assert_eq!(layer.stats().errors_total(), count);
    }
}

/// Stays with its message until it is dropped.
#[derive(Default)]
struct Patient;

#[consumer]
impl Patient {
    #[on_text]
    async fn text(&self, _text: ByteString) -> Result<(), Error> {
        stuck().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_at_the_drains_deadline_holds_nothing_up() {
    let config = Config::builder().drain_timeout(TIME).build().unwrap();
    let layer = ChannelLayer::memory_with(config);
    let mut ada = testing::connect::<Patient>(&layer, ()).await.unwrap();
    ada.send_text("wait").await;
    ada.assert_silent().await;
    layer.drain();
    layer.drained().await;
    assert_eq!(ada.closed().await.code(), CloseCode::INTERNAL_ERROR);
    let stats = layer.stats();
    assert_eq!((stats.errors_total(), stats.connections), (1, 0));
}
