//! `channels send`.

use channels::backend::Destination;
use channels::message::Raw;
use channels::{Config, Emitter};

use crate::options::show;
use crate::{Failure, say};

pub(crate) async fn run(config: &Config, to: Destination, message: Raw) -> Result<(), Failure> {
    let emitter = Emitter::connect(config).await?;
    let sent = match &to {
        Destination::Group(name) => emitter.send_to_group(name, message).await,
        Destination::User(user) => emitter.send_to_user(user, message).await,
        Destination::Connection(id) => emitter.send_to_connection(*id, message).await,
        Destination::Broadcast => emitter.broadcast(message).await,
    };
    let servers = sent?.servers;
    emitter.close().await;
    let whom = show(to.as_topic());
    let told = match servers {
        Some(0) => format!("sent to {whom}; no server has it, as nobody is there"),
        Some(1) => format!("sent to {whom}; 1 server has it"),
        Some(servers) => format!("sent to {whom}; {servers} servers have it"),
        None => format!("sent to {whom}"),
    };
    Ok(say(&told)?)
}
