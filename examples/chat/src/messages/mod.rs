//! What goes over the socket: names, payloads and their rules.

mod incoming;
mod outgoing;
mod rules;

pub(crate) use incoming::*;
pub(crate) use outgoing::*;
pub(crate) use rules::{MAX_FILE_BYTES, RoomName, Text};
