//! A message, made small.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

use super::pool::Pool;
use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS, TAIL};

/// How hard zlib tries, out of 1 to 9.
///
/// What chat messages in JSON were compressed to, and the microseconds that it took on one core:
///
/// | level | 128 B   | 256 B    | 1 KB     | 16 KB     | 64 KB     |
/// |-------|---------|----------|----------|-----------|-----------|
/// | 1     | 1.00, 3 | 0.94, 4  | 0.79, 8  | 0.39, 52  | 0.32, 210 |
/// | 2     | 0.85, 8 | 0.74, 10 | 0.57, 20 | 0.30, 102 | 0.25, 355 |
/// | 3     | 0.85, 8 | 0.74, 11 | 0.57, 23 | 0.29, 143 | 0.23, 496 |
/// | 6     | 0.85, 8 | 0.74, 11 | 0.57, 24 | 0.28, 167 | 0.21, 848 |
///
/// Level 1 uses the fixed code and hardly helps small messages; from 3 on, time grows faster than
/// what is saved. Of each message, 2 µs go into clearing zlib's tables; making them anew would take 5.
/// Smaller windows give less: 16 KB become 0.29 with 15 bits, 0.32 with 12 and 0.38 with 9, all at level 3.
const LEVEL: u32 = 2;

/// What makes messages small, by the bits of the window: about 370 KB each at 15, 250 KB at 9.
static POOLS: [Pool<Compress>; (MAX_WINDOW_BITS - MIN_WINDOW_BITS + 1) as usize] =
    [const { Pool::new() }; (MAX_WINDOW_BITS - MIN_WINDOW_BITS + 1) as usize];

/// A message compressed with this window, without the 4-byte tail; `None` where that saves nothing.
///
/// That is so for the empty message too, whose compressed form is one byte. A window that zlib does
/// not have, which [`negotiate`](super::negotiate) never agrees on, saves nothing either.
pub(crate) fn compress(payload: &[u8], window_bits: u8) -> Option<Bytes> {
    let pool = POOLS.get(usize::from(window_bits.checked_sub(MIN_WINDOW_BITS)?))?;
    // A message that does not become smaller does not fit, so it costs no more room than this.
    let mut output = Vec::with_capacity(payload.len() + TAIL.len());
    let mut state = match pool.take() {
        Some(mut used) => {
            used.reset();
            used
        }
        None => Compress::new_with_window_bits(Compression::new(LEVEL), false, window_bits),
    };
    let outcome = state.compress_vec(payload, &mut output, FlushCompress::Sync);
    let is_read = state.total_in() == payload.len() as u64;
    pool.give_back(state);

    outcome.ok()?;
    // With room left, zlib has written all that it had; without, nothing is saved. It reads 4 GiB at most.
    let is_saving = is_read && output.len() < payload.len() + TAIL.len();
    if !is_saving || !output.ends_with(&TAIL) {
        return None;
    }
    output.truncate(output.len() - TAIL.len());
    // It may wait in many outboxes, which count its length and not the room around it.
    output.shrink_to_fit();
    Some(Bytes::from(output))
}
