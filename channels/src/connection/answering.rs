//! Answering a request, whoever does it: a handler by what it returns, or by `Answer`.

use bytestring::ByteString;

use super::Connection;
use crate::error::Error;
use crate::message::{Answered, Frame, Outgoing, Told};

impl Connection {
    /// Gives the one answer, an envelope with its `re`; `false` where there is none to give, or no more. What `is_last` is all
    /// that is remembered.
    ///
    /// It is remembered before it is sent: that fails where the client has gone, and that is who asks again.
    pub(crate) fn answer(&self, answered: &Answered, json: &ByteString, is_last: bool) -> Result<bool, Error> {
        // Before it is claimed: where the client's encoding cannot express it, the error that is told of that is the answer.
        let chunk = self.encoded(json)?;
        if !answered.claim() {
            return Ok(false);
        }
        answered.told(Told::Envelope(json));
        if is_last {
            answered.end(true);
        }
        answered.reached(self.send_answer(chunk)).map(|()| true)
    }

    /// Tells a message that is not the one answer.
    pub(crate) fn tell(&self, answered: &Answered, message: &impl Outgoing) -> Result<(), Error> {
        let json = message.to_json(None)?;
        let (chunk, policy) = (self.encoded(&json)?, message.outbox()?);
        answered.told(Told::Envelope(&json));
        answered.reached(self.send_chunk(chunk, policy))
    }

    /// Tells a raw frame, which is never the one answer.
    pub(crate) fn tell_frame(&self, answered: &Answered, frame: Frame) -> Result<(), Error> {
        answered.told(Told::Frame(&frame));
        answered.reached(self.send_frame(frame))
    }
}
