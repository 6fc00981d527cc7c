//! The answers to one message: in order, and exactly one of them with `re` where it bore an `id`.

use bytestring::ByteString;

use crate::connection::Connection;
use crate::error::{Error, caught_now};
use crate::message::{
    Answered, Frame, Layout, Message, Outgoing, ReplySink, RequestId, Told, control_frame, error_frame,
};

/// The request that is answered, where it is one.
#[derive(Clone, Default)]
pub(super) struct Request {
    pub(super) id: Option<RequestId>,
    pub(super) answered: Answered,
}

impl Request {
    pub(super) fn of(message: &Message) -> Self {
        Self { id: message.id().cloned(), answered: message.answered().clone() }
    }

    pub(super) fn is_owed_an_answer(&self) -> bool {
        self.answered.is_owed()
    }

    /// One that was refused before it was a message.
    pub(super) fn refused(id: Option<RequestId>) -> Self {
        Self { answered: Answered::of(id.as_ref()), id }
    }
}

/// Sends a hook's replies. Of several the last bears `re`, so one is held back until it is known to
/// be the last.
pub(super) struct Answers<'a, M> {
    connection: &'a Connection,
    layout: Layout,
    re: Option<RequestId>,
    answered: Answered,
    held: Option<M>,
}

impl<'a, M: Outgoing> Answers<'a, M> {
    /// For what is no request.
    pub(super) fn new(connection: &'a Connection, layout: Layout) -> Self {
        Self::to(connection, layout, Request::default())
    }

    pub(super) fn to(connection: &'a Connection, layout: Layout, request: Request) -> Self {
        Self { connection, layout, re: request.id, answered: request.answered, held: None }
    }

    /// The `re` of the one answer, unless it was given already. It stays here: where the answer cannot be expressed, the
    /// error that is told of it bears it.
    fn claim(&self) -> Option<&RequestId> {
        self.re.as_ref().filter(|_| self.answered.claim())
    }

    /// The hook succeeded: the last reply, or `$ok` where a request got none.
    pub(super) fn succeeded(&mut self) -> Result<(), Error> {
        self.answered.check()?;
        if let Some(message) = self.held.take() {
            let answer = message.to_json(self.re.as_ref())?;
            if self.connection.answer(&self.answered, &answer, true)? {
                return Ok(());
            }
            let told = self.connection.tell(&self.answered, &message);
            self.answered.end(true);
            return told;
        }
        if self.answered.is_owed() {
            let ok = control_frame::<()>(self.layout, "$ok", None, self.re.as_ref())?;
            if self.connection.answer(&self.answered, &ok, true)? {
                return Ok(());
            }
        }
        self.answered.end(true);
        Ok(())
    }

    /// The hook failed, and what it replied before was [released](Self::release): the error. Where that is not the one answer,
    /// another was, for good. Where it comes too late to be the answer, the client is told that, under the same `error_id`.
    pub(super) fn failed(&self, error: &Error) -> Result<(), Error> {
        if let Err(too_late) = self.answered.check() {
            let re = self.claim();
            return self.error(&error_frame(self.layout, &too_late.instead_of(error), re)?, error, false);
        }
        let re = self.claim();
        self.error(&error_frame(self.layout, error, re)?, error, !error.is_retryable() || re.is_none())
    }

    /// Sends what is held back, without `re`; nothing where it is too late. Nobody catches what its `Serialize` may do but this.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        match self.held.take().filter(|_| self.answered.check().is_ok()) {
            Some(message) => caught_now(|| self.connection.tell(&self.answered, &message)),
            None => Ok(()),
        }
    }

    /// What is remembered is so before it is sent, which may fail. Before its connection is closed a client is told why, whatever
    /// else waits to be written.
    fn error(&self, json: &ByteString, error: &Error, is_for_good: bool) -> Result<(), Error> {
        self.answered.told(Told::Envelope(json));
        self.answered.end(is_for_good);
        let closes = error.should_disconnect();
        let sent = if closes { self.connection.send_last(json) } else { self.connection.send_json(json) };
        self.answered.reached(sent)
    }
}

impl<M: Outgoing> ReplySink<M> for Answers<'_, M> {
    fn message(&mut self, message: M) -> Result<(), Error> {
        self.answered.check()?;
        self.release()?;
        if self.answered.is_owed() {
            self.held = Some(message);
            return Ok(());
        }
        self.connection.tell(&self.answered, &message)
    }

    fn frame(&mut self, frame: Frame) -> Result<(), Error> {
        self.answered.check()?;
        self.release()?;
        self.connection.tell_frame(&self.answered, frame)
    }
}
