//! What becomes of a frame where frames and bytes are limited: before anybody looks at what is in it.

use tokio::time::Instant;

use super::inbox::{Received, size};
use crate::close::{CloseCode, CloseReason};
use crate::connection::Connection;
use crate::error::{Error, ErrorCode};
use crate::limits::{Arrived, Metering, Verdict, Whose};

fn whose(connection: &Connection) -> Whose<'_> {
    Whose { connection: connection.id(), user: connection.user(), address: connection.address() }
}

/// Counts what has come of a message that will not be complete any more.
pub(super) fn charge(connection: &Connection, metering: &Metering, fragments: u32, bytes: usize) {
    let frames = fragments.saturating_add((bytes > 0).into());
    if frames > 0 {
        metering.charge(whose(connection), connection.meter(), Arrived { frames, bytes, at: Instant::now() });
    }
}

/// What is left of what was received: itself, an answer to its refusal, nothing, or the connection's end.
pub(super) fn metered(
    connection: &Connection,
    metering: &Metering,
    received: Received,
    fragments: u32,
    at: Instant,
) -> Received {
    // The end is taken from everybody.
    if matches!(received, Received::Closed(_) | Received::Broken(_)) {
        return received;
    }
    let arrived = Arrived { frames: fragments.saturating_add(1), bytes: size(&received), at };
    let is_message = matches!(received, Received::Text(_) | Received::Binary(_));
    let meter = connection.meter();
    let verdict = metering.take(whose(connection), meter, arrived);
    if !is_message && fragments > 0 && !matches!(verdict, Verdict::Taken) {
        meter.refuse_message();
    }
    // The client was told then.
    let is_refused = is_message && meter.ends_refused_message();
    match verdict {
        Verdict::Taken if is_refused => Received::Alive,
        Verdict::Taken => received,
        Verdict::Untold => Received::Alive,
        Verdict::Told(excess) => {
            let error = Error::new(ErrorCode::RateLimitExceeded, "Too much at once. Please wait a moment.")
                .with_retry_after(excess.wait)
                .with_detail("limit", excess.limit.as_str())
                .with_detail("refused", excess.refused.to_string());
            Received::Refused(Box::new(error))
        }
        Verdict::Flooded => {
            let words = "too much was sent after it was refused";
            Received::Broken(CloseReason::server(CloseCode::TRY_AGAIN_LATER, words))
        }
    }
}
