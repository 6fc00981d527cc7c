//! `channels status`.

use channels::{Config, Emitter};
use serde_json::json;

use crate::{Failure, say};

pub(crate) async fn run(config: &Config, as_json: bool) -> Result<(), Failure> {
    let emitter = Emitter::connect(config).await?;
    let counts = emitter.counts().await?;
    let health = emitter.health();
    emitter.close().await;
    let (servers, connections, users) = (counts.servers, counts.connections, counts.users);
    if as_json {
        let health = json!({ "connected": health.connected, "reason": health.reason });
        let all = json!({ "servers": servers, "connections": connections, "users": users, "redis": health });
        return Ok(say(&all.to_string())?);
    }
    let redis = health.reason.unwrap_or_else(|| "connected".to_owned());
    Ok(say(&format!("servers      {servers}\nconnections  {connections}\nusers        {users}\nredis        {redis}"))?)
}
