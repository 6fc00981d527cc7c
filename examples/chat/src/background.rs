//! A job that has no request at hand and sends all the same.

use std::time::Duration;

use channels::{Error, OrInternal, get_channel_layer};
use serde_json::{Map, Value, json};

use crate::clock::now;
use crate::messages::{BackgroundUpdate, ServerMessage};

/// Who joins the room of this name sees the server's numbers.
pub(crate) const STATUS_GROUP: &str = "server status";
/// How often.
const EVERY: Duration = Duration::from_secs(15);

/// Tells the status group the server's numbers, for as long as the program runs. It finds the layer by
/// `get_channel_layer()`, as a database hook or a queue's worker would.
pub(crate) async fn report_status() {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = report_once().await {
            tracing::warn!(%error, "the status could not be sent");
        }
    }
}

async fn report_once() -> Result<(), Error> {
    let layer = get_channel_layer();
    if layer.registry().group_len(STATUS_GROUP) == 0 {
        return Ok(());
    }
    let stats = layer.stats();
    let numbers = json!({ "connections": stats.connections, "users": stats.users, "groups": stats.groups });
    let data: Map<String, Value> = serde_json::from_value(numbers).or_internal()?;
    let update = BackgroundUpdate { group: STATUS_GROUP.to_owned(), data, timestamp: now() };
    layer.send_to_group(STATUS_GROUP, ServerMessage::from(update)).await?;
    Ok(())
}
