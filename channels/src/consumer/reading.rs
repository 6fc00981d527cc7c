//! What a frame is, before its handler is looked for: nothing here needs the consumer, which may be at work.

use std::marker::PhantomData;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use tokio::time::Instant;

use super::Consumer;
use super::answer::Request;
use super::handle::{Failed, known};
use crate::connection::Connection;
use crate::error::{Error, caught_now, unix_seconds};
use crate::layer::ChannelLayer;
use crate::message::{Frame, Message, control_frame, expired, undecodable, unexpected_binary};
use crate::middleware::Chain;
use crate::spans::Traced;
use crate::timings::UNKNOWN;

/// What the framework answers itself, where the consumer has no such message.
const OF_THE_FRAMEWORK: [&str; 2] = ["ping", "pong"];

/// What a frame turned out to be.
pub(super) enum Read {
    /// The framework's own, and done.
    Done,
    Message(Message, Traced),
    Raw(Frame),
    Failed(Box<Failed>),
}

impl Read {
    pub(super) fn failed(error: Error) -> Self {
        Self::Failed(Failed::new(error, Request::default(), None))
    }
}

/// What is needed to read a frame.
pub(super) struct Reading<'a, C> {
    pub(super) connection: &'a Connection,
    pub(super) layer: &'a ChannelLayer,
    pub(super) middleware: &'a Chain,
    /// Whose frames they are.
    pub(super) of: PhantomData<fn() -> C>,
}

impl<C: Consumer> Reading<'_, C> {
    pub(super) fn text(&self, text: ByteString, at: Instant) -> Read {
        let frame = Frame::Text(text);
        if let Err(error) = self.inspect(&frame) {
            return Read::failed(error);
        }
        match frame {
            Frame::Text(text) if !C::TAKES_TEXT => self.envelope(text, at),
            frame => Read::Raw(frame),
        }
    }

    pub(super) fn binary(&self, data: Bytes, at: Instant) -> Read {
        let frame = Frame::Binary(data.clone());
        if let Err(error) = self.inspect(&frame) {
            return Read::failed(error);
        }
        let serializer = self.layer.serializers().get(usize::from(self.connection.link().variant.serializer));
        match serializer.filter(|serializer| serializer.is_binary() && !C::TAKES_TEXT) {
            // It may be somebody else's code.
            Some(serializer) => match caught_now(|| undecodable(&**serializer, data)) {
                Ok(json) => self.envelope(json, at),
                Err(error) => Read::failed(error),
            },
            None if C::TAKES_BINARY => Read::Raw(frame),
            None => Read::failed(unexpected_binary()),
        }
    }

    fn inspect(&self, frame: &Frame) -> Result<(), Error> {
        if self.middleware.is_empty() {
            return Ok(());
        }
        caught_now(|| self.middleware.iter().try_for_each(|middleware| middleware.inspect(frame, self.connection)))
    }

    fn envelope(&self, json: ByteString, at: Instant) -> Read {
        let message = match Message::read(json, C::LAYOUT, at) {
            Ok(message) => message,
            Err(rejected) => {
                return Read::Failed(Failed::new(rejected.error, Request::refused(rejected.re), None));
            }
        };
        let kind = known::<C>(message.name());
        let ours = OF_THE_FRAMEWORK.iter().find(|name| kind == UNKNOWN && **name == message.name());
        let span = self.connection.span().message(ours.unwrap_or(&kind), message.id());
        let inside = span.entered();
        let levels = self.layer.config().max_payload_depth();
        if message.is_deeper(C::LAYOUT, levels) && self.layer.manager().refuses_depth(self.connection) {
            let error = too_deep(message.deeper_member(C::LAYOUT, levels), levels);
            return Read::Failed(Failed::new(error, Request::of(&message), Some(message.shared_name())));
        }
        if message.is_expired() {
            self.layer.manager().counters.expired();
            return Read::Failed(Failed::new(expired(), Request::of(&message), Some(message.shared_name())));
        }
        if ours.is_some() && self.of_the_framework(&message) {
            return Read::Done;
        }
        drop(inside);
        Read::Message(message, span)
    }

    /// The framework's own messages; whether it was one.
    fn of_the_framework(&self, message: &Message) -> bool {
        #[derive(Serialize)]
        struct Pong {
            timestamp: f64,
        }
        let answer = match message.name() {
            "ping" => {
                let pong = Pong { timestamp: unix_seconds(std::time::SystemTime::now()) };
                control_frame(C::LAYOUT, "pong", Some(&pong), message.id())
            }
            // Its arrival was its purpose.
            "pong" => match message.id() {
                Some(re) => control_frame::<()>(C::LAYOUT, "$ok", None, Some(re)),
                None => return true,
            },
            _ => return false,
        };
        // Fails only where the connection is ending, which the loop sees by itself.
        let _ = answer.and_then(|frame| self.connection.send_json(&frame));
        true
    }
}

fn too_deep(member: &'static str, levels: usize) -> Error {
    Error::validation(member, format!("is nested deeper than {levels} levels"))
}
