//! A message, made whole again.

use bytes::{Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use super::pool::Pool;

/// What becomes of the compressed bytes' number at first: JSON seldom grows by more.
const USUAL_GROWTH: usize = 4;

/// The least room that a message gets, in bytes.
const LEAST_ROOM: usize = 128;

/// What follows a message: its tail, and an empty last block. A message that is whole is at its end
/// after the tail, so zlib ends with the block; to one that was cut off, all this is data.
const END: [u8; 9] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0x01, 0x00, 0x00, 0xff, 0xff];

/// What inflates, about 46 KB each. Its window has always 15 bits, which reads all smaller ones;
/// another one could not be used again, as flate2 makes it anew with each reset.
static POOL: Pool<Decompress> = Pool::new();

/// Why a message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is larger than allowed.
    TooBig,
    /// It is not what a sender makes of a message: broken, cut off, or with references to earlier messages.
    Corrupt,
}

/// A message inflated; the buffer never has room for more than `limit` bytes and one, however
/// small the input. While it grows, the smaller one before it exists too.
///
/// # Errors
///
/// [`InflateError`]. A message over the limit is left off as soon as that is known.
pub(crate) fn inflate(compressed: &[u8], limit: usize) -> Result<BytesMut, InflateError> {
    let mut output = Vec::new();
    inflate_into(&mut output, compressed, limit)?;
    // Neither step copies: the vector changes its owner.
    Ok(BytesMut::from(Bytes::from(output)))
}

pub(super) fn inflate_into(output: &mut Vec<u8>, compressed: &[u8], limit: usize) -> Result<(), InflateError> {
    let mut state = match POOL.take() {
        Some(mut used) => {
            // It forgets what it read, or a message could refer to another client's.
            used.reset(false);
            used
        }
        None => Decompress::new(false),
    };
    let outcome = feed_whole(&mut state, compressed, output, limit);
    POOL.give_back(state);
    outcome
}

fn feed_whole(
    state: &mut Decompress,
    compressed: &[u8],
    output: &mut Vec<u8>,
    limit: usize,
) -> Result<(), InflateError> {
    // The standard asks for one byte, but nothing at all has no other meaning.
    if compressed.is_empty() {
        return Ok(());
    }
    let room = compressed.len().saturating_mul(USUAL_GROWTH).max(LEAST_ROOM);
    output.reserve_exact(room.min(limit.saturating_add(1)));
    // After a last block the standard asks for the header of an empty one; without it, too, all is there.
    if feed(state, compressed, output, limit)? == Reached::LastBlock {
        return Ok(());
    }
    let length = output.len();
    match feed(state, &END, output, limit)? {
        Reached::LastBlock if output.len() == length => Ok(()),
        _ => Err(InflateError::Corrupt),
    }
}

/// Where the input ended.
#[derive(PartialEq, Eq)]
enum Reached {
    /// Exactly after a block that says that it is the last.
    LastBlock,
    /// Elsewhere.
    Middle,
}

/// Inflates all of the input. A last block does not end a message: another stream may follow (RFC 7692, 7.2.3.4).
fn feed(state: &mut Decompress, mut input: &[u8], output: &mut Vec<u8>, limit: usize) -> Result<Reached, InflateError> {
    loop {
        if output.len() == output.capacity() {
            // Doubled, so that each byte is copied once on average.
            let room = output.capacity().saturating_mul(2).min(limit.saturating_add(1));
            output.reserve_exact(room - output.len());
        }
        let before = state.total_in();
        let outcome = state.decompress_vec(input, output, FlushDecompress::None);
        let read = usize::try_from(state.total_in() - before).map_err(|_| InflateError::Corrupt)?;
        input = input.get(read..).ok_or(InflateError::Corrupt)?;
        if output.len() > limit {
            return Err(InflateError::TooBig);
        }
        match outcome.map_err(|_| InflateError::Corrupt)? {
            Status::StreamEnd if input.is_empty() => return Ok(Reached::LastBlock),
            Status::StreamEnd => state.reset(false),
            // With no room left there may be more to come, even from no input.
            Status::Ok | Status::BufError if output.len() == output.capacity() => {}
            Status::Ok | Status::BufError if input.is_empty() => return Ok(Reached::Middle),
            // zlib takes 4 GiB at a time, and says nothing when it stops for no reason.
            Status::Ok | Status::BufError if read == 0 => return Err(InflateError::Corrupt),
            Status::Ok | Status::BufError => {}
        }
    }
}
