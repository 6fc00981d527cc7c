//! Whether a request has had its one answer, and who remembers what the answer was.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::frame::Frame;
use super::request_id::RequestId;
use crate::error::{Error, ErrorCode};

/// Whether a request has had its one answer; every copy of the message shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered(Option<Arc<State>>);

#[derive(Debug, Default)]
struct State {
    given: AtomicBool,
    /// Set by a handler whose answers are kept.
    keeper: OnceLock<Box<dyn Keeper>>,
    /// Its handler's deadline, set where that waits.
    due: OnceLock<Instant>,
}

/// What a client is told in answer to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'a> {
    /// An envelope, in JSON.
    Envelope(&'a str),
    /// A raw frame.
    Frame(&'a Frame),
}

/// Remembers what a client is told, for when it asks again.
pub(crate) trait Keeper: Send + Sync + fmt::Debug {
    /// This comes next. Whether it reaches the client is not known.
    fn told(&self, told: Told<'_>);
    /// That was all; where it is no answer for good, it is forgotten. What comes later is nothing to it.
    fn end(&self, is_for_good: bool);
    /// Whether somebody else may be doing it by now: then what is told here would be a second answer.
    fn is_lost(&self) -> bool;
}

/// A handler that was dropped where it was, as at the drain's deadline, may have given its answer before.
impl Drop for State {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.end(*self.given.get_mut());
        }
    }
}

impl Answered {
    pub(crate) fn of(id: Option<&RequestId>) -> Self {
        Self(id.map(|_| Arc::default()))
    }

    /// Claims the one answer; `false` where there is none to give, or no more.
    pub(crate) fn claim(&self) -> bool {
        self.0.as_ref().is_some_and(|state| !state.given.swap(true, Ordering::AcqRel))
    }

    /// Whether an answer is still owed.
    pub(crate) fn is_owed(&self) -> bool {
        self.0.as_ref().is_some_and(|state| !state.given.load(Ordering::Acquire))
    }

    /// Has what is told from now on remembered. The first keeper stays.
    pub(crate) fn keep(&self, keeper: Box<dyn Keeper>) {
        if let Some(state) = &self.0 {
            let _ = state.keeper.set(keeper);
        }
    }

    fn keeper(&self) -> Option<&dyn Keeper> {
        Some(&**self.0.as_ref()?.keeper.get()?)
    }

    /// Whether the answer may still be given.
    ///
    /// # Errors
    ///
    /// A `TIMEOUT_ERROR` where it is too late: whoever asks again has the answer that is remembered, or a new one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_owed() && self.keeper().is_some_and(Keeper::is_lost) { Err(too_late()) } else { Ok(()) }
    }

    /// Whoever is to answer has so long from now on. The first time counts.
    pub(crate) fn due_in(&self, time: Duration) {
        if let Some(state) = &self.0 {
            let _ = state.due.set(Instant::now() + time);
        }
    }

    /// The deadline of whoever is to answer; nothing where that has not waited yet.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.as_ref()?.due.get().copied()
    }

    /// Whether somebody remembers.
    pub(crate) fn is_kept(&self) -> bool {
        self.keeper().is_some()
    }

    pub(crate) fn told(&self, told: Told<'_>) {
        if let Some(keeper) = self.keeper() {
            keeper.told(told);
        }
    }

    pub(crate) fn end(&self, is_for_good: bool) {
        if let Some(keeper) = self.keeper() {
            keeper.end(is_for_good);
        }
    }

    /// Where the client has gone, what is remembered is no failure: it gets it when it asks again.
    pub(crate) fn reached(&self, sent: Result<(), Error>) -> Result<(), Error> {
        match sent {
            Err(error) if error.code() == ErrorCode::ConnectionError && self.is_kept() => Ok(()),
            sent => sent,
        }
    }
}

fn too_late() -> Error {
    Error::timeout("This took too long, and may be done elsewhere by now: ask again.").with_component("idempotent")
}
