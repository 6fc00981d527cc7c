//! Frames on their way in: whatever the pieces, the same messages.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;

use super::close::{self, broken};
use super::deflate::{InflateError, inflate};
use super::frame::{FIN, LENGTH_IN_2, LENGTH_IN_8, MAX_CONTROL_BYTES, OpCode, RSV1};
use super::utf8::is_still_utf8;
use crate::close::{CloseCode, CloseReason};
use crate::error::Error;
use crate::id::ConnectionId;
use crate::limits::{Held, UnfinishedBytes};

/// What holds for the frames of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The largest message, in bytes.
    pub(crate) max_message_size: usize,
    /// A client masks what it sends, a server does not.
    pub(crate) masked: bool,
    /// permessage-deflate was negotiated.
    pub(crate) deflate: bool,
}

/// A whole message, or a control frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Text(ByteString),
    Binary(Bytes),
    Ping(Bytes),
    /// With so many bytes.
    Pong(usize),
    /// The other side's close frame, with its code and reason.
    Close(Option<(u16, String)>),
}

/// What is known of the messages of one connection. Between two messages that is nothing, and nothing is kept.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// A number of 4 bytes, as each idle connection holds it.
    max_message_size: u32,
    masked: bool,
    deflate: bool,
    /// How many frames only continued a message since somebody asked. One read holds fewer than this can.
    fragments: u16,
    unfinished: Option<Box<Unfinished>>,
}

/// A message of which something is there already.
#[derive(Debug, Default)]
struct Unfinished {
    is_text: bool,
    is_compressed: bool,
    payload: BytesMut,
    /// How much of a text is known to be UTF-8.
    checked: usize,
    /// The data frame whose payload arrives.
    open: Option<Open>,
    /// Bytes of a message that was whole and turned out to be none.
    lost: usize,
    /// How many bytes somebody was told of who asked.
    told: usize,
    /// The memory that it takes of what all have together, from when that was first asked for.
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    fin: bool,
    left: usize,
    /// Turned so that its first byte is for the next one.
    mask: [u8; 4],
}

#[derive(Clone, Copy, Debug)]
struct Header {
    fin: bool,
    is_compressed: bool,
    opcode: OpCode,
    mask: [u8; 4],
    bytes: usize,
    len: usize,
}

impl Decoder {
    pub(crate) fn new(rules: Rules) -> Self {
        let Rules { max_message_size, masked, deflate } = rules;
        // No configuration allows more.
        let max_message_size = u32::try_from(max_message_size).unwrap_or(u32::MAX);
        Self { max_message_size, masked, deflate, fragments: 0, unfinished: None }
    }

    /// How many frames only continued a message since somebody asked; what they cost, they cost even if it never ends.
    pub(crate) fn fragments(&mut self) -> &mut u16 {
        &mut self.fragments
    }

    /// How many bytes have come of a message that is not complete, or that turned out to be none; as they came.
    pub(crate) fn unfinished(&mut self) -> usize {
        self.unfinished.as_mut().map_or(0, |message| {
            message.told = message.payload.len() + message.lost;
            message.told
        })
    }

    /// Whether there are more of them since somebody asked.
    pub(crate) fn has_more(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|message| message.payload.len() > message.told)
    }

    /// Takes the memory of a message that is not complete of what all have together.
    ///
    /// # Errors
    ///
    /// What its connection is told and closed with; what the message held is free again. Nothing may be decoded afterwards.
    pub(crate) fn hold(&mut self, of: &Arc<UnfinishedBytes>, whose: ConnectionId) -> Result<(), Error> {
        let Some(message) = self.unfinished.as_deref_mut() else { return Ok(()) };
        let held = message.held.get_or_insert_with(|| Held::nothing(of));
        held.grow(message.payload.capacity(), whose).inspect_err(|_| self.forget())
    }

    /// Throws away what has come of a message that is not complete.
    pub(crate) fn forget(&mut self) {
        self.unfinished = None;
    }

    /// Whether a message has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.unfinished.is_some()
    }

    /// The next message in what was read; `None` when more has to be read first.
    ///
    /// # Errors
    ///
    /// What the client is closed with. Nothing may be decoded afterwards.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CloseReason> {
        loop {
            if self.unfinished.as_ref().is_some_and(|message| message.open.is_some()) {
                let taken = self.absorb(input)?;
                input.advance(taken);
                match self.finished()? {
                    Some(event) => return Ok(Some(event)),
                    None if input.is_empty() => return Ok(None),
                    None => {}
                }
            }
            let Some(header) = self.header(input)? else { return Ok(None) };
            if header.opcode.is_control() {
                if input.len() < header.bytes + header.len {
                    return Ok(None);
                }
                return self.control(header, whole(input, header)).map(Some);
            }
            if header.fin && self.unfinished.is_none() && input.len() >= header.bytes + header.len {
                let payload = whole(input, header).freeze();
                return self.message(header.opcode == OpCode::Text, header.is_compressed, payload).map(Some);
            }
            input.advance(header.bytes);
            let message = self.unfinished.get_or_insert_default();
            if header.opcode == OpCode::Continuation {
                self.fragments = self.fragments.saturating_add(1);
            } else {
                message.is_text = header.opcode == OpCode::Text;
                message.is_compressed = header.is_compressed;
            }
            message.open = Some(Open { fin: header.fin, left: header.len, mask: header.mask });
        }
    }

    /// Takes what belongs to the frame whose payload arrives, and says how much that was. What is large
    /// goes from the read buffer to its message without a stop.
    pub(crate) fn absorb(&mut self, input: &mut [u8]) -> Result<usize, CloseReason> {
        let Some(message) = self.unfinished.as_deref_mut() else { return Ok(0) };
        let Some(open) = message.open.as_mut() else { return Ok(0) };
        let taken = input.len().min(open.left);
        let piece = &mut input[..taken];
        unmask(piece, open.mask);
        open.mask.rotate_left(taken % 4);
        open.left -= taken;
        message.payload.extend_from_slice(piece);
        if message.is_text && !message.is_compressed && !is_still_utf8(&message.payload, &mut message.checked) {
            return Err(not_utf8());
        }
        Ok(taken)
    }

    /// The message, when its last frame is complete.
    fn finished(&mut self) -> Result<Option<Event>, CloseReason> {
        let Some(unfinished) = self.unfinished.as_deref_mut() else { return Ok(None) };
        match unfinished.open {
            Some(Open { fin: true, left: 0, .. }) => {}
            Some(Open { fin: false, left: 0, .. }) => {
                unfinished.open = None;
                return Ok(None);
            }
            _ => return Ok(None),
        }
        let Some(unfinished) = self.unfinished.take() else { return Ok(None) };
        self.message(unfinished.is_text, unfinished.is_compressed, unfinished.payload.freeze()).map(Some)
    }

    fn message(&mut self, is_text: bool, is_compressed: bool, payload: Bytes) -> Result<Event, CloseReason> {
        let bytes = payload.len();
        let message = self.event(is_text, is_compressed, payload);
        if message.is_err() {
            self.unfinished.get_or_insert_default().lost = bytes;
        }
        message
    }

    fn event(&self, is_text: bool, is_compressed: bool, payload: Bytes) -> Result<Event, CloseReason> {
        let payload = if is_compressed { self.inflated(&payload)? } else { payload };
        if is_text {
            ByteString::try_from(payload).map(Event::Text).map_err(|_| not_utf8())
        } else {
            Ok(Event::Binary(payload))
        }
    }

    fn inflated(&self, payload: &[u8]) -> Result<Bytes, CloseReason> {
        inflate(payload, self.max_message_size as usize).map(BytesMut::freeze).map_err(|error| match error {
            InflateError::TooBig => self.too_big(),
            InflateError::Corrupt => CloseReason::server(CloseCode::INVALID_PAYLOAD, "this cannot be inflated"),
        })
    }

    fn too_big(&self) -> CloseReason {
        let words = format!("a message has at most {} bytes", self.max_message_size);
        CloseReason::server(CloseCode::MESSAGE_TOO_BIG, words)
    }

    fn control(&mut self, header: Header, payload: BytesMut) -> Result<Event, CloseReason> {
        Ok(match header.opcode {
            OpCode::Ping => Event::Ping(payload.freeze()),
            OpCode::Pong => Event::Pong(payload.len()),
            _ => Event::Close(close::read(&payload)?),
        })
    }

    /// Looks at a header as far as it is there; `None` where that is not all of it.
    fn header(&self, input: &[u8]) -> Result<Option<Header>, CloseReason> {
        let Some((first, rest)) = input.split_first() else { return Ok(None) };
        let opcode = OpCode::of(first & 0x0f).ok_or_else(|| broken("there is no such opcode"))?;
        let fin = first & FIN != 0;
        let is_compressed = first & RSV1 != 0;
        // Only the first frame of a data message says that it is compressed, and only where that was agreed on.
        let may_be = self.deflate && matches!(opcode, OpCode::Text | OpCode::Binary);
        if first & !(FIN | RSV1 | 0x0f) != 0 || (is_compressed && !may_be) {
            return Err(broken("a reserved bit is set"));
        }
        if opcode.is_control() && !fin {
            return Err(broken("a control frame comes in one piece"));
        }
        match (opcode, self.unfinished.is_some()) {
            (OpCode::Continuation, false) => return Err(broken("there is nothing to be continued")),
            (OpCode::Text | OpCode::Binary, true) => return Err(broken("the message before is not finished")),
            _ => {}
        }
        let Some((second, rest)) = rest.split_first() else { return Ok(None) };
        if (second & 0x80 != 0) != self.masked {
            return Err(broken(if self.masked { "a client masks its frames" } else { "a server masks nothing" }));
        }
        let short = second & 0x7f;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_BYTES {
            return Err(broken("a control frame has at most 125 bytes"));
        }
        let Some((len, rest)) = length(short, rest)? else { return Ok(None) };
        let len = self.checked_length(len, opcode, is_compressed)?;
        let (mask, rest) = match (self.masked, rest.split_first_chunk()) {
            (false, _) => ([0; 4], rest),
            (true, Some((mask, rest))) => (*mask, rest),
            (true, None) => return Ok(None),
        };
        Ok(Some(Header { fin, is_compressed, opcode, mask, bytes: input.len() - rest.len(), len }))
    }

    /// Nothing is allocated for what a header only announces, and what is too big is refused before it comes.
    fn checked_length(&self, len: u64, opcode: OpCode, is_compressed: bool) -> Result<usize, CloseReason> {
        let len = usize::try_from(len).map_err(|_| self.too_big())?;
        if opcode.is_control() {
            return Ok(len);
        }
        let unfinished = self.unfinished.as_deref();
        let before = unfinished.map_or(0, |message| message.payload.len());
        let is_compressed = unfinished.map_or(is_compressed, |message| message.is_compressed);
        let max = self.max_message_size as usize;
        // What cannot be made smaller grows a little when it is compressed; its real size is looked at later.
        let max = if is_compressed { max.saturating_add(max / 128 + 64) } else { max };
        if before.saturating_add(len) <= max { Ok(len) } else { Err(self.too_big()) }
    }
}

/// The payload's length and what follows it; `None` where it is not all there.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, CloseReason> {
    let (len, rest, least) = match short {
        LENGTH_IN_2 => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest, 126),
            None => return Ok(None),
        },
        LENGTH_IN_8 => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from_be_bytes(*len), rest, 0x1_0000),
            None => return Ok(None),
        },
        short => (u64::from(short), rest, 0),
    };
    if len < least {
        return Err(broken("a length stands in its shortest form"));
    }
    if len > i64::MAX as u64 {
        return Err(broken("a length has at most 63 bits"));
    }
    Ok(Some((len, rest)))
}

/// A frame that is all there: its payload, unmasked where it stands.
fn whole(input: &mut BytesMut, header: Header) -> BytesMut {
    input.advance(header.bytes);
    // A part of what is shared costs a count of its own; most often there is one frame, and it is all.
    let mut payload = if input.len() == header.len { std::mem::take(input) } else { input.split_to(header.len) };
    unmask(&mut payload, header.mask);
    payload
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if mask != [0; 4] {
        fastwebsockets::unmask(payload, mask);
    }
}

fn not_utf8() -> CloseReason {
    CloseReason::server(CloseCode::INVALID_PAYLOAD, "the text is not UTF-8")
}
