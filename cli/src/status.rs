//! `channels status`.

use channels::backend::Server;
use channels::{Config, Emitter};
use serde_json::{Value, json};

use crate::{Failure, say};

pub(crate) async fn run(config: &Config, as_json: bool) -> Result<(), Failure> {
    let emitter = Emitter::connect(config).await?;
    let (counts, all) = tokio::try_join!(emitter.counts(), emitter.servers())?;
    let health = emitter.health();
    emitter.close().await;
    let (servers, connections, users) = (counts.servers, counts.connections, counts.users);
    if as_json {
        let health = json!({ "connected": health.connected, "reason": health.reason });
        let each: Vec<_> = all.iter().map(as_value).collect();
        let all = json!({
            "servers": servers, "connections": connections, "users": users, "redis": health, "each": each,
        });
        return Ok(say(&all.to_string())?);
    }
    let redis = health.reason.unwrap_or_else(|| "connected".to_owned());
    say(&format!("servers      {servers}\nconnections  {connections}\nusers        {users}\nredis        {redis}"))?;
    for server in &all {
        say(&as_line(server))?;
    }
    Ok(())
}

fn as_value(server: &Server) -> Value {
    let Server { id, name, connections, is_draining, .. } = server;
    json!({ "name": name, "id": id, "connections": connections, "draining": is_draining })
}

/// A name is whatever stands in Redis, and no command to a terminal.
fn as_line(server: &Server) -> String {
    let name = server.name.escape_debug();
    let plural = if server.connections == 1 { "" } else { "s" };
    let drain = if server.is_draining { ", draining" } else { "" };
    format!("server       {name}: {} connection{plural}{drain}", server.connections)
}
