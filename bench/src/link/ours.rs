//! The library's backend, with a sink that counts: everything but the members.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use channels::backend::{Backend, Envelope, RedisBackend, Sink, Topic};
use channels::{Config, UserId};

use super::cpu::Since;
use super::flood::Flood;
use super::options::Options;
use super::{PAYLOAD_BYTES, PREFIX, Run, TOPICS};
use crate::Failure;

#[derive(Default)]
pub(super) struct Counting(AtomicU64);

impl Sink for Counting {
    fn incarnation(&self) -> u64 {
        1
    }

    fn deliver(&self, _topic: Topic<'_>, _envelope: &Envelope) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed);
        1
    }

    fn local_members(&self, _topic: Topic<'_>) -> usize {
        0
    }

    fn evict(&self, _user: Option<&UserId>, _connections: usize) {}
}

pub(super) fn config(options: &Options) -> Result<Config, Failure> {
    Ok(Config::builder().redis_url(&options.url).redis_channel_prefix(PREFIX).build()?)
}

fn topics() -> Vec<String> {
    (0..TOPICS).map(|number| format!("topic-{number}")).collect()
}

fn envelope() -> Envelope {
    Envelope::new("x".repeat(PAYLOAD_BYTES))
}

async fn started(options: &Options) -> Result<(Arc<RedisBackend>, Arc<Counting>), Failure> {
    let backend = Arc::new(RedisBackend::new(&config(options)?));
    let sink = Arc::new(Counting::default());
    backend.start(Arc::downgrade(&(Arc::clone(&sink) as Arc<dyn Sink>))).await?;
    Ok((backend, sink))
}

pub(super) async fn publish(options: &Options) -> Result<Run, Failure> {
    let (backend, _sink) = started(options).await?;
    let topics = Arc::new(topics());
    let since = Since::now()?;
    let until = Instant::now() + Duration::from_secs_f64(options.seconds);
    let publishers = (0..options.in_flight).map(|publisher| {
        let (backend, topics) = (Arc::clone(&backend), Arc::clone(&topics));
        tokio::spawn(async move {
            let (mut published, envelope) = (0_u64, envelope());
            while Instant::now() < until {
                let topic = &topics[(published as usize + publisher) % TOPICS];
                backend.publish(Topic::Group(topic), envelope.clone()).await?;
                published += 1;
            }
            Ok::<_, channels::Error>(published)
        })
    });
    let mut messages = 0;
    for publisher in publishers.collect::<Vec<_>>() {
        messages += publisher.await??;
    }
    let cpu = since.cpu()?;
    backend.stop().await;
    Ok(Run { messages, cpu })
}

pub(super) async fn receive(options: &Options) -> Result<Run, Failure> {
    let (backend, sink) = started(options).await?;
    for topic in topics() {
        backend.subscribe(Topic::Group(&topic)).await?;
    }
    let flood = Flood::start(options)?;
    while sink.0.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (since, before) = (Since::now()?, sink.0.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs_f64(options.seconds)).await;
    let run = Run { messages: sink.0.load(Ordering::Relaxed) - before, cpu: since.cpu()? };
    drop(flood);
    backend.stop().await;
    Ok(run)
}

/// The channels of the topics, as Redis names them.
pub(super) async fn channels(options: &Options) -> Result<Vec<String>, Failure> {
    let (backend, _sink) = started(options).await?;
    for topic in topics() {
        backend.subscribe(Topic::Group(&topic)).await?;
    }
    let listed = super::ask::command(options.address()?, &format!("PUBSUB CHANNELS {PREFIX}*g:topic-*\r\n"))?;
    backend.stop().await;
    Ok(listed.lines().filter(|line| line.starts_with(PREFIX)).map(str::to_owned).collect())
}
