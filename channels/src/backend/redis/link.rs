//! One connection that only listens: it asks for what is missing, and hands on what comes.
//!
//! Commands never share it, so that no push can be taken for an answer. What it was asked for is remembered in order, by
//! [`AskedCommands`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use redis::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::asked::{AskedCommands, Command};
use super::deliveries::{Arrived, Deliveries};
use super::dial::{Dialed, ReadHalf, WriteHalf};
use super::fault::ErrorReply;
use super::gather::Gather;
use super::pipe::ANSWER_WITHIN;
use super::resp::{self, Said};
use super::subscriptions::{BATCH, Batch, Came, NodeId, Subscriptions};

/// How long a first join waits for others to be asked for with it.
const GATHER: Duration = Duration::from_millis(1);
/// How often the server is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_millis(1000);
/// How often silence and topics without members are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a refused subscription waits before it is asked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How much is read at once, at most.
const READ_BYTES: usize = 64 * 1024;

/// What a link tells of.
pub(super) trait Hears: Send + Sync {
    /// Everything that was live there is live again.
    fn complete(&self);
    /// Other servers have slots of this one; this many topics that were live are not any more.
    fn slots_moved(&self, lost: usize);
    /// Messages were lost, as the workers could not take them.
    fn overflowed(&self, messages: usize);
    /// Whether something of ours was published there and has not been answered.
    fn is_publishing(&self) -> bool;
}

/// The listening half of a server. It outlives its connections.
#[derive(Debug)]
pub(super) struct Link {
    node: NodeId,
    /// Sharded pub/sub, where a command is for one slot.
    sharded: bool,
    wake: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    asked: AskedCommands,
    heard: Instant,
    /// When the last ping that was answered left: what was published before has come.
    complete_until: SystemTime,
    pinged: Instant,
    /// After a refusal the same is not asked for at once.
    not_before: Instant,
}

impl Link {
    pub(super) fn new(node: NodeId, sharded: bool) -> Self {
        let now = Instant::now();
        let state = State {
            asked: AskedCommands::default(),
            heard: now,
            complete_until: SystemTime::now(),
            pinged: now,
            not_before: now,
        };
        Self { node, sharded, wake: Notify::new(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is to be asked for.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// What was published before has been heard, whatever became of the connection. That something was heard later proves
    /// nothing: it may have been on its way for long.
    pub(super) fn complete_until(&self) -> SystemTime {
        self.lock().complete_until
    }

    /// Listens until the connection ends, and says why it did.
    pub(super) async fn run(
        &self,
        dialed: Dialed,
        subscriptions: &Subscriptions,
        deliveries: &Deliveries,
        hears: &dyn Hears,
    ) -> Arc<str> {
        {
            let mut state = self.lock();
            state.asked.clear();
            state.heard = Instant::now();
            state.pinged = state.heard;
            state.complete_until = SystemTime::now();
        }
        tokio::select! {
            reason = self.read(dialed.read, dialed.buffer, subscriptions, deliveries, hears) => reason,
            reason = self.write(dialed.write, subscriptions) => reason,
            reason = self.watch() => reason,
        }
    }

    async fn write(&self, mut socket: WriteHalf, subscriptions: &Subscriptions) -> Arc<str> {
        let mut next_look = Instant::now();
        let mut bytes = BytesMut::new();
        loop {
            let mut more = subscriptions.is_waiting(self.node);
            if !more {
                tokio::select! {
                    () = self.wake.notified() => more = true,
                    () = sleep_until(next_look) => {}
                }
            }
            if more {
                let not_before = self.lock().not_before;
                sleep_until(not_before.max(Instant::now() + GATHER)).await;
                let batches = subscriptions.next(self.node, self.sharded);
                batches.into_iter().for_each(|batch| self.subscribe(&mut bytes, batch));
            }
            if next_look <= Instant::now() {
                next_look = Instant::now() + LOOK_EVERY;
                let batches = subscriptions.ended(self.node, self.sharded);
                batches.into_iter().for_each(|batch| self.unsubscribe(&mut bytes, batch));
                self.ping(&mut bytes);
            }
            let written = async {
                socket.write_all(&bytes).await?;
                // TLS may hold something back.
                socket.flush().await
            };
            if let Err(error) = written.await {
                return Arc::from(error.to_string());
            }
            bytes.clear();
        }
    }

    fn subscribe(&self, bytes: &mut BytesMut, batch: Batch) {
        command(bytes, if self.sharded { "SSUBSCRIBE" } else { "SUBSCRIBE" }, &batch.channels);
        self.lock().asked.subscribe(batch);
    }

    fn unsubscribe(&self, bytes: &mut BytesMut, batch: Batch) {
        command(bytes, if self.sharded { "SUNSUBSCRIBE" } else { "UNSUBSCRIBE" }, &batch.channels);
        self.lock().asked.unsubscribe(batch);
    }

    /// Asks for a sign of life, one at a time, also while others give it: its answer says what has come.
    fn ping(&self, bytes: &mut BytesMut) {
        let mut state = self.lock();
        if !state.asked.is_pinging() && state.pinged.elapsed() >= PING_EVERY {
            bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
            state.pinged = Instant::now();
            state.asked.ping(SystemTime::now());
        }
    }

    /// Ends where the server does not even answer a ping; also while a write waits.
    async fn watch(&self) -> Arc<str> {
        loop {
            sleep(LOOK_EVERY).await;
            let silent = self.lock().heard.elapsed();
            if silent >= PING_EVERY + ANSWER_WITHIN {
                return Arc::from(format!("nothing was heard for {} ms", silent.as_millis()));
            }
        }
    }

    async fn read(
        &self,
        mut socket: ReadHalf,
        mut buffer: BytesMut,
        subscriptions: &Subscriptions,
        deliveries: &Deliveries,
        hears: &dyn Hears,
    ) -> Arc<str> {
        let (mut arrived, mut gather, mut at) = (Vec::new(), Gather::default(), 0);
        loop {
            let news = match self.parse(&buffer, &mut at, &mut arrived, subscriptions) {
                Ok(news) => news,
                Err(reason) => return reason,
            };
            if news.moved || news.lost > 0 {
                hears.slots_moved(news.lost);
            }
            // What answers to something ends the wait: a ping says that what was before it has been heard.
            let more = if arrived.is_empty() || news.is_any {
                None
            } else {
                let members = deliveries.members(&buffer, &arrived);
                gather.until(at, members, hears).await
            };
            if let Some(until) = more {
                buffer.reserve(READ_BYTES);
                if let Ok(Ok(1..)) = timeout_at(until, socket.read_buf(&mut buffer)).await {
                    self.lock().heard = Instant::now();
                    continue;
                }
            }
            // The messages share what was read. Where the connection has ended, the next read says so again.
            let read = buffer.split_to(std::mem::take(&mut at)).freeze();
            if !arrived.is_empty() {
                gather.end(arrived.len());
                let lost = deliveries.hand_over(&read, &mut arrived);
                if lost > 0 {
                    hears.overflowed(lost);
                }
            }
            drop(read);
            if news.complete {
                hears.complete();
            }
            buffer.reserve(READ_BYTES);
            match socket.read_buf(&mut buffer).await {
                Ok(0) => return Arc::from("the server closed the connection"),
                Ok(_) => self.lock().heard = Instant::now(),
                Err(error) => return Arc::from(error.to_string()),
            }
        }
    }

    /// Finds the messages in what was read, from a place on, and does what else was said.
    fn parse(
        &self,
        buffer: &BytesMut,
        at: &mut usize,
        arrived: &mut Vec<Arrived>,
        subscriptions: &Subscriptions,
    ) -> Result<News, Arc<str>> {
        let mut news = News::default();
        while let Some((said, end)) = resp::next(buffer, *at).map_err(|error| Arc::from(error.to_string()))? {
            *at = end;
            let came = match said {
                Said::Message { channel, payload } => {
                    arrived.push(Arrived { channel, payload });
                    continue;
                }
                Said::Push(parts) => self.pushed(&parts, subscriptions),
                Said::Reply(value) => self.replied(value, subscriptions),
            };
            news.is_any = true;
            match came? {
                Came::Complete => news.complete = true,
                Came::Lost => news.lost += 1,
                Came::Unasked => news.moved = true,
                Came::Expected => {}
            }
        }
        Ok(news)
    }

    /// An acknowledgement, or the end of a subscription that the server ended.
    fn pushed(&self, parts: &[Value], subscriptions: &Subscriptions) -> Result<Came, Arc<str>> {
        let [Value::BulkString(kind), channel, ..] = parts else { return Ok(Came::Expected) };
        let Value::BulkString(channel) = channel else { return Ok(Came::Expected) };
        let Ok(channel) = std::str::from_utf8(channel) else { return Ok(Came::Expected) };
        match kind.as_slice() {
            b"subscribe" | b"ssubscribe" => {
                if !self.lock().asked.began() {
                    return Err(Arc::from("the server acknowledged what nobody asked for"));
                }
                Ok(subscriptions.began(self.node, channel))
            }
            b"unsubscribe" | b"sunsubscribe" => {
                let is_asked = self.lock().asked.stopped(channel);
                let came = subscriptions.stopped(self.node, channel);
                // The topic may have another server since it was asked to end here.
                Ok(if is_asked && came == Came::Unasked { Came::Expected } else { came })
            }
            _ => Ok(Came::Expected),
        }
    }

    /// The answer to a ping, or a refusal.
    fn replied(&self, value: Value, subscriptions: &Subscriptions) -> Result<Came, Arc<str>> {
        let mut state = self.lock();
        let Value::ServerError(error) = value else {
            let at = state.asked.answered();
            state.complete_until = at.ok_or_else(|| Arc::<str>::from("the server answered what nobody asked"))?;
            return Ok(Came::Expected);
        };
        let error = ErrorReply::from(&error);
        let command = state.asked.refused(&error);
        drop(state);
        tracing::debug!(%error, ?command, "a command of a link is refused");
        match command {
            Some(Command::Subscribe { channels, .. }) if error.is_about_slots() => {
                self.lock().not_before = Instant::now() + AGAIN_AFTER;
                subscriptions.refused(self.node, &channels);
                Ok(Came::Unasked)
            }
            // Where the slot is elsewhere, nothing of it is subscribed here.
            Some(Command::Unsubscribe { left, .. }) if error.is_about_slots() => {
                for channel in &left {
                    subscriptions.stopped(self.node, channel);
                }
                Ok(Came::Unasked)
            }
            _ => Err(Arc::from(error.to_string())),
        }
    }
}

/// What was said besides messages.
#[derive(Debug, Default)]
struct News {
    is_any: bool,
    complete: bool,
    moved: bool,
    lost: usize,
}

fn command(bytes: &mut BytesMut, name: &str, channels: &[Arc<str>]) {
    let bulk = |bytes: &mut BytesMut, text: &str| {
        bytes.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    };
    debug_assert!(channels.len() <= BATCH);
    bytes.extend_from_slice(format!("*{}\r\n", channels.len() + 1).as_bytes());
    bulk(bytes, name);
    channels.iter().for_each(|channel| bulk(bytes, channel));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::redis::names::Partition;
    use crate::backend::redis::subscriptions::LINGER;

    const NODE: NodeId = 1;
    const OTHER: NodeId = 2;
    const SLOT: Partition = Partition(1);

    /// A link and what it is subscribed to: one topic that nobody wants any more, whose end is under way.
    fn ending() -> (Link, Subscriptions) {
        let (link, all) = (Link::new(NODE, true), Subscriptions::default());
        let _wait = all.want("a".to_owned(), SLOT, || NODE);
        all.next(NODE, true).into_iter().for_each(|batch| link.subscribe(&mut BytesMut::new(), batch));
        hear(&link, &all, ">3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n").unwrap();
        all.unwant("a");
        (link, all)
    }

    async fn end(link: &Link, all: &Subscriptions) {
        tokio::time::advance(LINGER.max(PING_EVERY)).await;
        all.ended(NODE, true).into_iter().for_each(|batch| link.unsubscribe(&mut BytesMut::new(), batch));
        link.ping(&mut BytesMut::new());
    }

    fn hear(link: &Link, all: &Subscriptions, text: &str) -> Result<News, Arc<str>> {
        link.parse(&BytesMut::from(text), &mut 0, &mut Vec::new(), all)
    }

    const ENDED: &str = ">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n";
    const PONG: &str = "+PONG\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_topic_that_has_another_server_when_its_end_is_acknowledged_ends_no_link() {
        let (link, all) = ending();
        end(&link, &all).await;
        let since = link.complete_until();
        all.moved(|_| OTHER);
        let news = hear(&link, &all, &format!("{ENDED}{PONG}")).unwrap();
        assert!(!news.moved && news.lost == 0, "{news:?}");
        assert!(link.complete_until() > since, "the ping is answered");
        assert_eq!(all.counts(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_goes_before_the_server_reads_that_a_topic_ends_ends_no_link() {
        let (link, all) = ending();
        end(&link, &all).await;
        let moved = format!("-MOVED {} 10.0.0.1:7000\r\n", SLOT.slot());
        let news = hear(&link, &all, &format!("{ENDED}{moved}{PONG}")).unwrap();
        assert!(news.moved && news.lost == 0, "the topology is looked at again: {news:?}");
        assert_eq!(all.counts(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_server_ends_unasked_is_missed_by_who_wants_it() {
        let (link, all) = ending();
        assert!(all.want("a".to_owned(), SLOT, || NODE).is_none(), "it is live still");
        end(&link, &all).await;
        assert_eq!(hear(&link, &all, &format!("{ENDED}{PONG}")).unwrap().lost, 1);
    }
}
