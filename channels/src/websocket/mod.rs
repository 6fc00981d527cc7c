//! RFC 6455 and RFC 7692 without a socket: frames from bytes, bytes from frames, compression, and the handshake.
//!
//! [`Decoder`] is given what was read, in pieces of any size, and gives messages; it keeps nothing for a
//! connection that is between two messages. Masking is that of `fastwebsockets`, UTF-8 the standard library's.

mod close;
mod decode;
mod deflate;
mod frame;
mod handshake;
mod utf8;

pub(crate) use close::close_frame;
pub(crate) use decode::{Decoder, Event, Rules};
pub(crate) use deflate::{Deflate, compress, negotiate as negotiate_deflate};
pub(crate) use frame::{Chunk, OpCode, control, data};
pub(crate) use handshake::{Handshake, NoWebSocket};
