//! Messages on their way to many: each variant of the wire is made once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::BytesMut;
use bytestring::ByteString;

use super::link::{Link, Variant};
use super::slot::{Audience, Slot, name};
use crate::backend::{Envelope, Topic};
use crate::message::{Frame, MessagePolicy, OutboxPolicy};
use crate::websocket::{Chunk, OpCode, compress, data};

/// Finished JSON, and what was made of it before anybody's lock was taken.
pub(crate) struct Ready {
    json: ByteString,
    made: Vec<Made>,
    audience: Audience,
    policy: Policy,
    /// Somebody wants to know what becomes of it.
    is_asked_for: bool,
}

/// What a message says of itself, at the connections that it is for.
#[derive(Debug, PartialEq, Eq)]
enum Policy {
    OfConsumer,
    Close,
    DropNewest,
    Latest(Slot),
}

impl Policy {
    fn new(policy: &MessagePolicy, audience: Audience, group: Option<&str>) -> Self {
        match policy {
            MessagePolicy::OfConsumer => Self::OfConsumer,
            MessagePolicy::Close => Self::Close,
            MessagePolicy::DropNewest => Self::DropNewest,
            MessagePolicy::Latest(key) => Self::Latest(Slot::of(audience, group, key.as_str())),
        }
    }
}

/// What happens to a message that a client takes too slowly.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule<'a> {
    Close,
    /// As `Close`, but it may take as much room again as the outbox has.
    Reserved,
    /// It fits always: what a client is told once, right before it is closed.
    Last,
    DropNewest,
    Latest(&'a Slot),
}

impl Ready {
    /// What is for one connection alone.
    pub(crate) fn own(json: &ByteString) -> Self {
        Self {
            json: json.clone(),
            made: Vec::new(),
            audience: Audience::Own,
            policy: Policy::OfConsumer,
            is_asked_for: false,
        }
    }

    pub(super) fn new(topic: Topic<'_>, envelope: &Envelope) -> Self {
        let audience = Audience::from(topic);
        let group = if let Topic::Group(group) = topic { Some(group) } else { None };
        let policy = Policy::new(&envelope.policy, audience, group);
        let is_asked_for = envelope.asked.is_some();
        Self { json: envelope.payload.clone(), made: Vec::new(), audience, policy, is_asked_for }
    }

    /// Whether it can be pushed only by itself, and at once: each connection looks for the one that it replaces, or says what
    /// became of it.
    pub(super) fn is_single(&self) -> bool {
        self.is_asked_for || matches!(self.policy, Policy::Latest(_))
    }

    /// Whether both can be pushed as one run of bytes.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self.policy == other.policy && !self.is_single()
    }

    pub(super) fn size(&self) -> usize {
        self.json.len()
    }

    pub(super) fn is_made_for(&self, variant: Variant) -> bool {
        self.made.iter().any(|made| made.variant == variant)
    }

    /// Makes it for connections with these links; that takes as long as it is large.
    pub(super) fn make(&mut self, links: &[Arc<Link>]) {
        let made = links.iter().map(|link| Made { variant: link.variant, chunk: frame(link, &self.json) });
        self.made.extend(made);
    }

    fn chunk(&self, link: &Link) -> Option<Chunk> {
        match self.made.iter().find(|made| made.variant == link.variant) {
            Some(made) => made.chunk.clone(),
            None => frame(link, &self.json),
        }
    }
}

/// One message or several that follow one another.
pub(crate) struct Encoded<'a> {
    messages: &'a [Ready],
    /// The group it is for, where it is for one.
    group: Option<&'a str>,
    /// What is made already; nearly always one.
    made: Option<Made>,
    others: Vec<Made>,
    /// Each message by itself, once somebody needs them so.
    singles: Vec<Encoded<'a>>,
    /// What it replaces where that is a matter of its type, once somebody has looked.
    by_type: Option<Option<Slot>>,
}

/// What goes to connections with this variant.
struct Made {
    variant: Variant,
    chunk: Option<Chunk>,
}

impl<'a> Encoded<'a> {
    pub(crate) fn one(message: &'a Ready) -> Self {
        Self::several(std::slice::from_ref(message), None)
    }

    pub(crate) fn several(messages: &'a [Ready], group: Option<&'a str>) -> Self {
        Self { messages, group, made: None, others: Vec::new(), singles: Vec::new(), by_type: None }
    }

    pub(crate) fn group(&self) -> Option<&'a str> {
        self.group
    }

    /// How many messages it is.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// What happens to it where the consumer says this; `None` where each of several has a rule of its own.
    pub(crate) fn rule(&mut self, of_consumer: OutboxPolicy) -> Option<Rule<'_>> {
        let first = self.messages.first()?;
        Some(match (&first.policy, of_consumer) {
            (Policy::OfConsumer, OutboxPolicy::Close) | (Policy::Close, _) => Rule::Close,
            (Policy::OfConsumer, OutboxPolicy::DropNewest) | (Policy::DropNewest, _) => Rule::DropNewest,
            (Policy::Latest(slot), _) => Rule::Latest(slot),
            // What is for one connection is no state that many watch: nothing says that the next one outdates it.
            (Policy::OfConsumer, OutboxPolicy::Latest) if first.audience == Audience::Connection => Rule::Close,
            (Policy::OfConsumer, OutboxPolicy::Latest) if self.messages.len() > 1 => return None,
            (Policy::OfConsumer, OutboxPolicy::Latest) => {
                let slot = || name(&first.json).map(|name| Slot::of(first.audience, self.group, name));
                self.by_type.get_or_insert_with(slot).as_ref().map_or(Rule::Close, Rule::Latest)
            }
        })
    }

    /// Each message by itself; also made once for all.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut Encoded<'a>> {
        if self.singles.is_empty() {
            let group = self.group;
            self.singles = self.messages.chunks(1).map(|one| Encoded::several(one, group)).collect();
        }
        self.singles.iter_mut()
    }

    /// What goes to a connection with this link, as one run of bytes; `None` where its encoding can express
    /// none of it.
    pub(crate) fn chunk(&mut self, link: &Link) -> Option<Chunk> {
        if let Some(made) = self.made.iter().chain(&self.others).find(|made| made.variant == link.variant) {
            return made.chunk.clone();
        }
        let chunk = match self.messages {
            [one] => one.chunk(link),
            several => joined(&several.iter().filter_map(|one| one.chunk(link)).collect::<Vec<_>>()),
        };
        let made = Made { variant: link.variant, chunk: chunk.clone() };
        match &mut self.made {
            None => self.made = Some(made),
            Some(_) => self.others.push(made),
        }
        chunk
    }
}

fn joined(chunks: &[Chunk]) -> Option<Chunk> {
    let mut bytes = BytesMut::with_capacity(chunks.iter().map(|chunk| chunk.bytes.len()).sum());
    let mut all = Chunk::default();
    for chunk in chunks {
        bytes.extend_from_slice(&chunk.bytes);
        all.messages += chunk.messages;
        all.payload += chunk.payload;
    }
    all.bytes = bytes.freeze();
    (all.messages > 0).then_some(all)
}

/// One message in the link's encoding; `None`, counted and logged, where that cannot express it.
pub(crate) fn frame(link: &Link, json: &ByteString) -> Option<Chunk> {
    if link.variant.serializer == 0 {
        return Some(finished(link, OpCode::Text, json.as_bytes()));
    }
    let serializer = link.serializers.get(usize::from(link.variant.serializer))?;
    // It may be somebody else's code, and it runs where many senders meet: its panic is its error.
    let encoded = std::panic::catch_unwind(AssertUnwindSafe(|| serializer.encode(json)));
    match encoded.unwrap_or_else(|_| Err("the encoder panicked".into())) {
        Ok(frame) => Some(raw(link, &frame)),
        Err(error) => {
            tracing::error!(%error, serializer = serializer.name(), "a message cannot be encoded");
            None
        }
    }
}

/// A finished frame, as it goes over the wire.
pub(crate) fn raw(link: &Link, frame: &Frame) -> Chunk {
    match frame {
        Frame::Text(text) => finished(link, OpCode::Text, text.as_bytes()),
        Frame::Binary(bytes) => finished(link, OpCode::Binary, bytes),
    }
}

fn finished(link: &Link, opcode: OpCode, payload: &[u8]) -> Chunk {
    let window = link.variant.window;
    let is_worth_it = window != 0 && payload.len() >= link.compress_from;
    match is_worth_it.then(|| compress(payload, window)).flatten() {
        Some(compressed) => data(opcode, &compressed, true),
        None => data(opcode, payload, false),
    }
}
