//! What becomes of a frame where frames and bytes are limited: before anybody looks at what is in it.

use tokio::time::Instant;

use super::inbox::{Progress, Received, size};
use crate::connection::Connection;
use crate::limits::{Arrived, Metering, Verdict, What, Whose};

fn whose(connection: &Connection) -> Whose<'_> {
    Whose { connection: connection.id(), user: connection.user(), address: connection.address() }
}

/// Counts what has come of a message that will not be complete any more, and was not counted.
pub(super) fn charge(connection: &Connection, metering: &Metering, progress: Progress) {
    let Progress { fragments, bytes } = progress;
    let meter = connection.meter();
    // Its first frame has not counted yet.
    let has_begun = meter.is_inside() || bytes > 0;
    let frames = fragments.saturating_add(has_begun.into());
    if frames > 0 {
        metering.charge(whose(connection), meter, Arrived { what: What::Part, frames, bytes, at: Instant::now() });
    }
}

/// What is left of what was received: itself, an answer to its refusal, nothing, or the connection's end.
pub(super) fn metered(
    connection: &Connection,
    metering: &Metering,
    received: Received,
    progress: Progress,
    at: Instant,
) -> Received {
    let take =
        |what, frames, bytes| metering.take(whose(connection), connection.meter(), Arrived { what, frames, bytes, at });
    let Progress { fragments, bytes } = progress;
    let verdict = match &received {
        Received::Text(_) | Received::Binary(_) => take(What::Message, fragments.saturating_add(1), size(&received)),
        Received::Part => take(What::Part, fragments, bytes),
        Received::Alive(own) if fragments == 0 && bytes == 0 => take(What::Control, 1, *own),
        // It stands between two fragments, of which some came with it.
        Received::Alive(own) => match take(What::Part, fragments, bytes) {
            flooded @ Verdict::Flooded(_) => flooded,
            part => part.beside(take(What::Control, 1, *own)),
        },
        // The end is taken from everybody, and what was refused counts no more.
        Received::Closed(_) | Received::Broken(_) | Received::Refused(_) => return received,
    };
    match verdict {
        Verdict::Taken => received,
        Verdict::Untold => Received::Alive(0),
        Verdict::Told(excess) => Received::Refused(Box::new(excess.into())),
        Verdict::Flooded(excess) => Received::Refused(Box::new(excess.last())),
    }
}
