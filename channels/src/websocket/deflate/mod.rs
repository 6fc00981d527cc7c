//! permessage-deflate (RFC 7692): what is agreed on, and messages small for the wire and whole again.
//!
//! Each message is compressed for itself: neither side keeps what earlier ones held. So a connection
//! costs no memory, where remembering takes some 400 KB, and a message that was compressed once may go to
//! every member of a group whose window is the same. What messages repeat of one another is not
//! saved, and small ones would gain most from that.
//!
//! Compressing and inflating only compute: they never wait, and take as long as the message is large.

mod compress;
mod inflate;
mod offer;
mod pool;
#[cfg(test)]
mod tests;

pub(crate) use self::compress::compress;
pub(crate) use self::inflate::{InflateError, inflate};
pub(crate) use self::offer::{Deflate, negotiate};

/// The end of a flushed message, which is the same for all and does not go over the wire.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The smallest window that zlib compresses with. It takes 8 for 9, which a client with a window of 8 could not read.
const MIN_WINDOW_BITS: u8 = 9;

/// The largest window that there is.
const MAX_WINDOW_BITS: u8 = 15;
