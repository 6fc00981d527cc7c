//! What one burst of input sends goes out together.
//!
//! While a connection's task is polled, what its handlers send is held back until the burst of messages that was read
//! with them is handled, at the latest until the poll ends. Sends to one topic that follow one another
//! become one run of bytes, made once and given to each member once; then every connection that got something is
//! written to, once. Whoever sends outside of such a task writes at once.
//!
//! Held back is only the pushing, never the order: whatever else this thread pushes, joins, leaves or closes settles the
//! run first.

use std::cell::RefCell;
use std::sync::Arc;

use bytestring::ByteString;

use super::subscribers::Subscribers;
use super::wire::Tally;
use super::{Connection, Encoded};
use crate::id::ConnectionId;

/// How many connections are written to before others get a turn.
const SLICE: usize = 64;
/// How much a run may gather.
const RUN_BYTES: usize = 64 * 1024;
/// How many messages a run may gather: fewer than any sensible outbox holds.
const RUN_MESSAGES: usize = 64;

thread_local! {
    static CORK: RefCell<Cork> = const { RefCell::new(Cork::new()) };
}

struct Cork {
    /// A task is polled that will flush.
    on: bool,
    run: Option<Run>,
    /// Who has been called to be written to.
    due: Vec<Connection>,
    /// An emptied one, to be used again.
    spare: Vec<Connection>,
}

/// Sends to one topic that followed one another.
struct Run {
    members: Arc<Subscribers>,
    group: Option<Arc<str>>,
    except: Option<ConnectionId>,
    json: Vec<ByteString>,
    bytes: usize,
}

impl Cork {
    const fn new() -> Self {
        Self { on: false, run: None, due: Vec::new(), spare: Vec::new() }
    }
}

/// Runs something whose sends go out together when it returns, or panics.
pub(crate) fn corked<T>(work: impl FnOnce() -> T) -> T {
    struct Uncork {
        before: bool,
    }
    impl Drop for Uncork {
        fn drop(&mut self) {
            flush();
            CORK.with_borrow_mut(|cork| cork.on = self.before);
        }
    }
    let before = CORK.with_borrow_mut(|cork| std::mem::replace(&mut cork.on, true));
    let _uncork = Uncork { before };
    work()
}

/// A connection has been called to be written to: now, or when the cork is drawn.
pub(super) fn due(connection: &Connection) {
    let held = CORK.with_borrow_mut(|cork| {
        if cork.on {
            cork.due.push(connection.clone());
        }
        cork.on
    });
    if !held {
        connection.write_now();
    }
}

/// Pushes the run, before anything else is pushed.
pub(crate) fn settle() {
    if let Some(run) = CORK.with_borrow_mut(|cork| cork.run.take()) {
        let mut message = Encoded::several(&run.json, run.group.as_deref());
        run.members.deliver(&mut message, run.except);
    }
}

/// A message for the members of a topic: how many took it, or where it is held back, how many there are.
pub(super) fn deliver(
    members: Arc<Subscribers>,
    group: Option<&str>,
    json: &ByteString,
    except: Option<ConnectionId>,
) -> usize {
    if !CORK.with_borrow(|cork| cork.on) {
        return corked(|| members.deliver(&mut Encoded::several(std::slice::from_ref(json), group), except));
    }
    let there = members.len_without(except);
    let joined = CORK.with_borrow_mut(|cork| cork.run.as_mut().is_some_and(|run| run.add(&members, json, except)));
    if !joined {
        settle();
        let run = Run { members, group: group.map(Arc::from), except, json: vec![json.clone()], bytes: json.len() };
        CORK.with_borrow_mut(|cork| cork.run = Some(run));
    }
    there
}

impl Run {
    fn add(&mut self, members: &Arc<Subscribers>, json: &ByteString, except: Option<ConnectionId>) -> bool {
        let same = Arc::ptr_eq(&self.members, members) && self.except == except;
        let fits = self.json.len() < RUN_MESSAGES && self.bytes + json.len() <= RUN_BYTES;
        if same && fits {
            self.json.push(json.clone());
            self.bytes += json.len();
        }
        same && fits
    }
}

/// Writes to everybody who is due: the first slice here, others by a task that lets others go on between slices.
pub(crate) fn flush() {
    if CORK.with_borrow(|cork| cork.run.is_none() && cork.due.is_empty()) {
        return;
    }
    settle();
    let mut due = CORK.with_borrow_mut(|cork| {
        let spare = std::mem::take(&mut cork.spare);
        std::mem::replace(&mut cork.due, spare)
    });
    write(due.iter().take(SLICE));
    if due.len() > SLICE {
        let runtime = due[0].link().runtime.clone();
        runtime.spawn(write_slices(due));
    } else {
        due.clear();
        CORK.with_borrow_mut(|cork| cork.spare = due);
    }
}

async fn write_slices(connections: Vec<Connection>) {
    let mut due = Due { connections, written: SLICE };
    while due.write_slice() {
        tokio::task::yield_now().await;
    }
}

/// Who was called and is not written to yet; dropped, they are written to at once: nobody else will do it.
struct Due {
    connections: Vec<Connection>,
    written: usize,
}

impl Due {
    /// Whether there are more.
    fn write_slice(&mut self) -> bool {
        let from = self.written;
        self.written = (from + SLICE).min(self.connections.len());
        write(self.connections[from..self.written].iter());
        self.written < self.connections.len()
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        write(self.connections[self.written..].iter());
    }
}

fn write<'a>(connections: impl Iterator<Item = &'a Connection>) {
    let mut all = Tally::default();
    let mut counters = None;
    for connection in connections {
        connection.write(&mut all);
        counters.get_or_insert(&connection.link().counters);
    }
    if let Some(counters) = counters {
        counters.sent(all.messages, all.payload);
    }
}
