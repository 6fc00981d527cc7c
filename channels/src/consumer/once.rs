//! `#[idempotent]`: the same request again gets the same answer, and its handler does not run twice.
//!
//! A claim in the backend says who runs it, on any server, and keeps the answer for the window. Its lease is longer than the
//! handler may take, so nobody has to renew it; where the server dies it ends, and the next attempt runs the handler.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::guard::{Deadlines, Timeout};
use super::kept::{Kept, fingerprint, tell_again};
use crate::backend::{Backend, Claim, Claimed, Owner, Settlement};
use crate::connection::Connection;
use crate::error::{Delivery, Error, ErrorCode};
use crate::extract::Context;
use crate::layer::ConnectionManager;
use crate::message::{Keeper, Message, RequestId, Told};

/// How much longer than its handler and `#[error]` a claim lives: the time for its answer to be written.
const LEASE_AFTER: Duration = Duration::from_secs(10);
/// How soon whoever waits for somebody else's answer asks again; each time later, up to [`ASK_AT_LEAST`].
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(25);
/// The longest time between two questions.
const ASK_AT_LEAST: Duration = Duration::from_millis(250);
/// How soon an answer that could not be written is written again.
const SETTLE_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// A handler that runs once for each request.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Idempotent {
    consumer: &'static str,
    message: &'static str,
    window: Duration,
    timeout: Option<Timeout>,
    takes_errors: bool,
}

impl Idempotent {
    /// What the attribute and those beside it say.
    pub const fn new(
        consumer: &'static str,
        message: &'static str,
        window: Duration,
        timeout: Option<Timeout>,
        takes_errors: bool,
    ) -> Self {
        Self { consumer, message, window, timeout, takes_errors }
    }

    /// What is done once: this message of this user, or of this connection where it is nobody's, with this id.
    fn key<S>(&self, cx: &Context<'_, S>, id: &RequestId) -> String {
        let Self { consumer, message, .. } = self;
        let connection = cx.connection();
        // No part but the last has control characters, so that no two requests make one key.
        match connection.user() {
            Some(user) => format!("u\0{consumer}\0{message}\0{user}\0{id}"),
            None => format!("c\0{consumer}\0{message}\0{}\0{id}", connection.id()),
        }
    }
}

/// Whether the request has had its answer, which then was told again. Otherwise whoever asked is to handle it, and what it
/// answers is kept. Waits while somebody else handles it, within the handler's own time.
///
/// # Errors
///
/// `TIMEOUT_ERROR` where less than half of that time is left to handle it, `BACKEND_ERROR` where nobody can tell, `RATE_LIMIT_EXCEEDED` where whoever asks has too much remembered, and what
/// [`tell_again`] says.
pub(super) async fn once<S: Sync>(cx: &Context<'_, S>, idempotent: &Idempotent) -> Result<bool, Error> {
    let message: &Message = cx.message();
    let Some(id) = message.id() else { return Ok(false) };
    let manager = cx.layer().manager();
    let (claim, fingerprint) = (Claim::new(idempotent.key(cx, id)), fingerprint(message.data()));
    let deadlines = Deadlines::of(cx.layer());
    let after = if idempotent.takes_errors { deadlines.handler() + LEASE_AFTER } else { LEASE_AFTER };
    let (began, time) = (Instant::now(), deadlines.of_handler(idempotent.timeout).handler());
    let lease = time + after;
    let (mut claiming, mut wait) = (Claiming::of(manager, &claim, cx, lease), ASK_AGAIN_AFTER);
    loop {
        let until = Instant::now() + lease;
        let claimed = manager.backend().claim(&claim, lease).await.inspect_err(|error| {
            if error.delivery() == Some(Delivery::NotSent) {
                // Nobody has it: to give up each would be a task for each request, as long as the backend is away.
                claiming.0 = None;
            }
        })?;
        // That of the handler, of which middleware may have had its part; where nothing waited yet, all of it is left.
        let due = message.answered().due().unwrap_or(began + time);
        match claimed {
            // The claim is given up again. To begin would be to be cut short, half-way through something that is done once; and
            // where the process stood still before it heard that, somebody else may do it already.
            Claimed::Yours if due < Instant::now() + time / 2 => return Err(too_little_time()),
            Claimed::Yours => {
                // The claim is given up again where there is no room.
                let share = Share::of(manager, cx.connection(), &claim, until + idempotent.window)?;
                let Some(Unsettled { manager, runtime, .. }) = claiming.0.take() else { return Ok(false) };
                let keeper = Remembers {
                    unsettled: Unsettled { manager, runtime, claim, until },
                    share,
                    window: idempotent.window,
                    kept: Mutex::new(Some(Kept::of(fingerprint))),
                };
                message.answered().keep(Box::new(keeper));
                return Ok(false);
            }
            Claimed::Settled(kept) => {
                claiming.0 = None;
                tell_again(&kept, fingerprint, cx.connection())?;
                // It was told, with its `re`.
                message.answered().claim();
                return Ok(true);
            }
            Claimed::Running => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(ASK_AT_LEAST);
            }
        }
    }
}

fn too_little_time() -> Error {
    Error::timeout("Too little time was left to do this: ask again.").with_component("idempotent")
}

/// A claim that is to be settled.
struct Unsettled {
    manager: Arc<ConnectionManager>,
    runtime: Handle,
    claim: Claim,
    /// When it ends by itself.
    until: Instant,
}

impl Unsettled {
    /// Never blocks: what the backend does not take at once is done by a task of its own, until the lease is over.
    fn settle(&self, settlement: Settlement) {
        let (manager, claim, until) = (Arc::clone(&self.manager), self.claim.clone(), self.until);
        let is_done = matches!(settlement, Settlement::Done(..));
        let mut work = async move {
            loop {
                match manager.backend().settle(&claim, settlement.clone()).await {
                    Ok(false) if is_done => {
                        tracing::warn!(
                            "an answer was not kept, as its claim was lost: if its request comes again, it is handled again"
                        );
                        return;
                    }
                    Ok(_) => return,
                    Err(error) if error.is_retryable() && Instant::now() < until => {
                        tracing::debug!(%error, "an answer could not be kept yet");
                        tokio::time::sleep(SETTLE_AGAIN_AFTER).await;
                    }
                    Err(error) if is_done => {
                        tracing::warn!(%error, "an answer could not be kept: if its request comes again, it is handled again");
                        return;
                    }
                    // Its lease ends by itself.
                    Err(_) => return,
                }
            }
        }
        .boxed();
        let _inside = self.runtime.enter();
        if (&mut work).now_or_never().is_none() {
            self.runtime.spawn(work);
        }
    }
}

/// A claim that may have been made without anybody to hear it: the handler's time was up, or the connection ended.
struct Claiming(Option<Unsettled>);

impl Claiming {
    fn of<S>(manager: &Arc<ConnectionManager>, claim: &Claim, cx: &Context<'_, S>, lease: Duration) -> Self {
        let (manager, runtime) = (Arc::clone(manager), cx.connection().link().runtime.clone());
        Self(Some(Unsettled { manager, runtime, claim: claim.clone(), until: Instant::now() + lease }))
    }
}

impl Drop for Claiming {
    fn drop(&mut self) {
        if let Some(unsettled) = &self.0 {
            unsettled.settle(Settlement::Abandoned);
        }
    }
}

/// The room that a claim takes among what its owner may have remembered.
struct Share {
    owner: Owner,
    /// Later than anything that is kept of it.
    until: Instant,
}

impl Share {
    fn of(manager: &ConnectionManager, connection: &Connection, claim: &Claim, until: Instant) -> Result<Self, Error> {
        let owner = connection.user().map_or(Owner::Connection(connection.id()), |user| Owner::User(user.clone()));
        manager.shares.claim(&owner, claim, until).map_err(|after| {
            Error::new(ErrorCode::RateLimitExceeded, "Too many of your requests are remembered now.")
                .with_retry_after(after)
        })?;
        Ok(Self { owner, until })
    }
}

/// Remembers what a handler answers.
struct Remembers {
    unsettled: Unsettled,
    share: Share,
    window: Duration,
    /// Nothing once it has ended.
    kept: Mutex<Option<Kept>>,
}

impl Keeper for Remembers {
    fn told(&self, told: Told<'_>) {
        if let Some(kept) = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            kept.push(told);
        }
    }

    fn end(&self, is_for_good: bool) {
        let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let (Unsettled { manager, claim, .. }, Share { owner, until }) = (&self.unsettled, &self.share);
        let room = |bytes| manager.shares.take(owner, claim, *until, bytes).is_ok();
        self.unsettled.settle(match is_for_good {
            true => Settlement::Done(kept.into_bytes(room), self.window),
            false => {
                manager.shares.give_back(owner, claim, *until);
                Settlement::Abandoned
            }
        });
    }

    /// By the monotonic clock, which begins before the backend's. The handler's own time is up long before: only a process
    /// that stood still gets here.
    fn is_lost(&self) -> bool {
        let has_ended = self.kept.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        !has_ended && Instant::now() >= self.unsettled.until
    }
}

/// Whoever does not say how it ended has given no answer.
impl Drop for Remembers {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl fmt::Debug for Remembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembers").field("claim", &self.unsettled.claim).finish_non_exhaustive()
    }
}
