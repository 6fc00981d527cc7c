//! What one burst of input sends goes out together.
//!
//! While a connection's task is polled, what its handlers send is held back until the burst of messages that was read
//! with them is handled, at the latest until the poll ends. Sends to one topic that follow one another
//! become one run of bytes, made once and given to each member once; then every connection that got something is
//! written to, once. Whoever sends outside of such a task writes at once.
//!
//! Held back is only the pushing, never the order. A run waits in its topic, under the topic's lock, and whoever takes
//! that lock to send, join or leave gives it out first, on whatever thread. Whatever else this thread pushes, joins,
//! leaves or closes settles it first too.

use std::cell::RefCell;
use std::sync::Arc;

use super::Connection;
use super::encoded::Ready;
use super::outcome::Outcome;
use super::run::Run;
use super::subscribers::Subscribers;
use super::wire::Tally;
use crate::id::ConnectionId;

/// How many connections are written to before others get a turn.
const SLICE: usize = 64;

thread_local! {
    static CORK: RefCell<Cork> = const { RefCell::new(Cork::new()) };
}

struct Cork {
    /// A task is polled that will flush.
    on: bool,
    /// The topic that holds what this thread sent to it last.
    held: Option<Arc<Subscribers>>,
    /// Who has been called to be written to.
    due: Vec<Connection>,
    /// An emptied one, to be used again.
    spare: Vec<Connection>,
    /// A run that was given out, to be used again.
    spare_run: Option<Box<Run>>,
}

impl Cork {
    const fn new() -> Self {
        Self { on: false, held: None, due: Vec::new(), spare: Vec::new(), spare_run: None }
    }
}

/// This thread's cork; `None` while the thread ends, when nothing is held back any more.
fn with<T>(look: impl FnOnce(&mut Cork) -> T) -> Option<T> {
    CORK.try_with(|cork| look(&mut cork.borrow_mut())).ok()
}

/// Runs something whose sends go out together when it returns, or panics.
pub(crate) fn corked<T>(work: impl FnOnce() -> T) -> T {
    let Some(before) = with(|cork| std::mem::replace(&mut cork.on, true)) else { return work() };
    // Dropped in reverse: what was sent before the panic goes out, and the cork is as it was whatever that does.
    let _as_before = AsBefore(before);
    let _flushed = Flushed;
    work()
}

struct Flushed;

impl Drop for Flushed {
    fn drop(&mut self) {
        flush();
    }
}

struct AsBefore(bool);

impl Drop for AsBefore {
    fn drop(&mut self) {
        with(|cork| cork.on = self.0);
    }
}

fn is_on() -> bool {
    with(|cork| cork.on).unwrap_or(false)
}

/// The same where no task is polled that will flush.
pub(super) fn gathered<T>(work: impl FnOnce() -> T) -> T {
    if is_on() { work() } else { corked(work) }
}

/// A connection has been called to be written to: now, or when the cork is drawn.
pub(super) fn due(connection: &Connection) {
    let held = with(|cork| {
        if cork.on {
            cork.due.push(connection.clone());
        }
        cork.on
    });
    if held != Some(true) {
        connection.write_now();
    }
}

/// Pushes what is held, before anything else is pushed.
pub(crate) fn settle() {
    if let Some(members) = with(|cork| cork.held.take()).flatten() {
        members.give_out();
    }
}

/// A run to be filled.
pub(super) fn spare_run() -> Box<Run> {
    with(|cork| cork.spare_run.take()).flatten().unwrap_or_default()
}

/// Keeps the memory of a run that was given out.
pub(super) fn keep(run: Box<Run>) {
    with(|cork| cork.spare_run = Some(run));
}

/// A message for the members of a topic: what became of it, or where it is held back, how many there are.
pub(super) fn deliver(
    members: Arc<Subscribers>,
    group: Option<Arc<str>>,
    message: Ready,
    except: Option<ConnectionId>,
) -> Outcome {
    if !is_on() {
        return corked(|| members.deliver(group.as_deref(), message, except));
    }
    if message.is_single() {
        settle();
        return members.deliver(group.as_deref(), message, except);
    }
    let is_same = |held: &Arc<Subscribers>| Arc::ptr_eq(held, &members);
    if with(|cork| cork.held.as_ref().is_some_and(is_same)) == Some(true) {
        return Outcome::queued(members.hold(group, message, except));
    }
    settle();
    let there = members.hold(group, message, except);
    with(|cork| cork.held = Some(members));
    Outcome::queued(there)
}

/// Writes to everybody who is due: the first slice here, others by a task that lets others go on between slices.
pub(crate) fn flush() {
    match with(|cork| (cork.held.take(), cork.due.is_empty())) {
        None | Some((None, true)) => return,
        Some((None, false)) => {}
        Some((Some(members), _)) => members.give_out(),
    }
    let due = with(|cork| {
        let spare = std::mem::take(&mut cork.spare);
        std::mem::replace(&mut cork.due, spare)
    });
    let Some(mut due) = due else { return };
    write(due.iter().take(SLICE));
    if due.len() > SLICE {
        let runtime = due[0].link().runtime.clone();
        runtime.spawn(write_slices(due));
    } else {
        due.clear();
        with(|cork| cork.spare = due);
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
