//! How long it takes until many topics are live again after the connection was lost.

use std::sync::Arc;
use std::time::Instant;

use channels::backend::{Backend, Event, RedisBackend, Sink, Topic};

use super::options::Options;
use super::ours::{Counting, config};
use crate::Failure;

/// How many ask at once for their topic to be live.
const AT_ONCE: usize = 1000;

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let backend = Arc::new(RedisBackend::new(&config(options)?));
    let sink: Arc<dyn Sink> = Arc::new(Counting::default());
    backend.start(Arc::downgrade(&sink)).await?;
    let topics: Vec<String> = (0..options.topics).map(|number| format!("topic-{number}")).collect();
    let began = Instant::now();
    for some in topics.chunks(AT_ONCE) {
        futures_util::future::try_join_all(some.iter().map(|topic| backend.subscribe(Topic::Group(topic)))).await?;
    }
    let first = began.elapsed();
    let mut seconds = Vec::new();
    for _ in 0..options.rounds {
        let mut events = backend.events();
        let mut events_of = async |begins: bool| loop {
            match events.next().await {
                Some(Event::Interrupted(_)) if begins => return Ok(()),
                Some(Event::Restored(_)) if !begins => return Ok(()),
                Some(_) => {}
                None => return Err(Failure::from("the backend is gone")),
            }
        };
        super::ask::command(options.address()?, "CLIENT KILL TYPE pubsub\r\n")?;
        events_of(true).await?;
        let began = Instant::now();
        events_of(false).await?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    backend.stop().await;
    let line = serde_json::json!({
        "what": "seconds until all topics are live again",
        "topics": options.topics,
        "first": first.as_secs_f64(),
        "again": seconds,
    });
    crate::say(line);
    Ok(())
}
