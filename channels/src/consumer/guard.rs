//! Running somebody's code: it may panic, it may never end, and the client may leave meanwhile.

use std::future::Future;
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{self, Poll};
use std::time::Duration;

use futures_util::poll;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::inbox::{Inbox, Source};
use crate::connection::Connection;
use crate::error::{Error, caught, caught_now};
use crate::layer::{ChannelLayer, ConnectionManager};
use crate::message::Answered;

/// How long a hook may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// While the client is there.
    handler: Duration,
    /// After it has left, or is about to be closed; for everything that it sent before, together.
    leaving: Duration,
}

impl Deadlines {
    pub(super) fn of(layer: &ChannelLayer) -> Self {
        let config = layer.config();
        Self { handler: config.handler_timeout(), leaving: config.disconnect_timeout() }
    }

    /// The same, for a handler that may say itself how long it takes.
    pub(super) fn of_handler(self, timeout: Option<Timeout>) -> Self {
        Self { handler: timeout.map_or(self.handler, Timeout::duration), ..self }
    }

    /// While the client is there.
    pub(super) fn handler(&self) -> Duration {
        self.handler
    }
}

/// How long a handler may take that says so itself: whole milliseconds, at least one.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(NonZeroU64);

impl Timeout {
    /// The macro has checked that it is none of 0, and not too long for a clock.
    pub const fn of_millis(millis: u64) -> Option<Self> {
        match NonZeroU64::new(millis) {
            Some(millis) => Some(Self(millis)),
            None => None,
        }
    }

    fn duration(self) -> Duration {
        Duration::from_millis(self.0.get())
    }
}

/// What a hook fails with whose time is up.
fn late() -> Result<(), Error> {
    Err(Error::timeout("This took too long.").with_component("consumer"))
}

/// A hook for [`attend`], which says when its time is up. A panic of it is an error, also one of what it drops then.
pub(super) fn guarded(
    connection: &Connection,
    work: impl Future<Output = Result<(), Error>>,
) -> impl Future<Output = Result<(), Error>> {
    caught(UnlessLate { connection, work: Some(work) })
}

pin_project! {
    /// Goes on with a hook until its time is up, and then drops it: here, since whoever lets go of it elsewhere is in no catch.
    struct UnlessLate<'a, F> {
        connection: &'a Connection,
        #[pin]
        work: Option<F>,
    }
}

impl<F: Future<Output = Result<(), Error>>> Future for UnlessLate<'_, F> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.connection.is_late() {
            this.work.set(None);
        }
        this.work.as_pin_mut().map_or_else(|| Poll::Ready(late()), |work| work.poll(cx))
    }
}

/// Drops a consumer, whose connection this was or was to be. A panic of its `Drop` is counted and logged; nobody is left to be told.
pub(crate) fn dismiss<C>(consumer: C, connection: Option<&Connection>, manager: &ConnectionManager) {
    let dropped = caught_now(|| {
        drop(consumer);
        Ok(())
    });
    if let Err(error) = dropped {
        manager.failed(&match connection {
            Some(connection) => error.located(connection.id(), connection.user(), None),
            None => error,
        });
    }
}

/// Runs a hook, [`guarded`], to its end or its deadline, and reads on meanwhile.
///
/// While it waits, control frames are read and messages queued; the connection counts as alive. When
/// the client leaves or this server closes, the hook gets `leaving` to finish. Where its time is up it ends by that: what it
/// replied before and what is told of it are its own work.
pub(super) async fn attend<R: Source, T>(
    inbox: &mut Inbox<'_, R>,
    connection: &Connection,
    deadlines: Deadlines,
    mut work: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> T {
    // Most hooks are done at their first poll: no timer for them.
    if let Poll::Ready(outcome) = poll!(work.as_mut()) {
        return outcome;
    }
    connection.set_handling(true);
    let mut deadline = pin!(tokio::time::sleep(deadlines.handler));
    let mut leaving = false;
    let outcome = loop {
        if !leaving && let Some(since) = inbox.over_since() {
            leaving = true;
            shorten(deadline.as_mut(), since + deadlines.leaving);
        }
        tokio::select! {
            biased;
            outcome = &mut work => break outcome,
            () = &mut deadline => {
                connection.set_late(true);
                let outcome = work.as_mut().await;
                connection.set_late(false);
                break outcome;
            }
            _ = connection.close_asked(), if !leaving => {
                leaving = true;
                shorten(deadline.as_mut(), Instant::now() + deadlines.leaving);
            }
            () = inbox.read_ahead() => {}
        }
    };
    connection.set_handling(false);
    outcome
}

/// Until when handlers that run beside each other may finish, once the client has left or is about to be closed.
pub(super) struct Leaving {
    time: Duration,
    until: OnceLock<Instant>,
    begun: CancellationToken,
}

impl Leaving {
    pub(super) fn of(layer: &ChannelLayer) -> Self {
        let time = Deadlines::of(layer).leaving;
        Self { time, until: OnceLock::new(), begun: CancellationToken::new() }
    }

    /// The client left then, or this server began to close; the first time counts.
    pub(super) fn begin(&self, since: Instant) {
        if self.until.set(since + self.time).is_ok() {
            self.begun.cancel();
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    async fn deadline(&self) -> Instant {
        self.begun.cancelled().await;
        // It is set before it is told.
        self.until.get().copied().unwrap_or_else(Instant::now)
    }
}

/// Runs a hook to its end or its deadline, when what it answers is due, while somebody else reads: as [`attend`]. It is dropped
/// within, so a catch belongs around this.
pub(super) async fn timed(
    work: impl Future<Output = Result<(), Error>>,
    timeout: Duration,
    leaving: &Leaving,
    answered: &Answered,
) -> Result<(), Error> {
    let mut work = pin!(work);
    if let Poll::Ready(outcome) = poll!(work.as_mut()) {
        return outcome;
    }
    answered.due_in(timeout);
    let mut deadline = pin!(tokio::time::sleep(timeout));
    let (mut left, mut has_left) = (pin!(leaving.deadline()), false);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = &mut deadline => return late(),
            until = &mut left, if !has_left => {
                has_left = true;
                shorten(deadline.as_mut(), until);
            }
        }
    }
}

fn shorten(deadline: Pin<&mut Sleep>, to: Instant) {
    let earlier = deadline.deadline().min(to);
    deadline.reset(earlier);
}
