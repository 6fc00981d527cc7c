//! What a server does for its clients.

use std::time::Duration;

use channels::prelude::*;
use channels::{Delivery, Error, Receipt};

use super::http::App;
use crate::wire::{
    FromClient, FromServer, Group, Joined, Order, Ordered, Outcome, Publish, Published, Stamped, Target, Welcome,
};

/// One client.
pub(super) struct Member {
    user: UserId,
}

#[consumer(incoming = FromClient, outgoing = FromServer, state = App)]
impl Member {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[connect]
    fn connected(&self, conn: Connection) -> Welcome {
        Welcome { connection: conn.id().to_string() }
    }

    #[on("join")]
    async fn join(&self, join: Group, conn: Connection) -> Joined {
        let problem = conn.join(&join.group).await.err().map(|error| error.to_string());
        Joined { group: join.group, problem }
    }

    #[on("leave")]
    fn leave(&self, leave: Group, conn: Connection) -> Group {
        conn.leave(&leave.group);
        leave
    }

    #[on("publish")]
    async fn publish(&self, publish: Publish, layer: ChannelLayer) -> Published {
        let stamp = publish.stamp;
        let (outcome, problem) = match send(&layer, publish).await {
            Ok(_) => (Outcome::Ok, None),
            Err(error) => (outcome(&error), Some(error.to_string())),
        };
        Published { stamp, outcome, problem }
    }

    /// Its claim lasts fourteen seconds: its own time, and ten.
    #[on("order", timeout = "4s")]
    #[idempotent(window = "5m")]
    async fn order(&self, order: Order, State(app): State<App>) -> Result<Ordered, Error> {
        let ordered = app.carries_out().or_internal()?;
        tokio::time::sleep(Duration::from_millis(order.millis)).await;
        Ok(ordered)
    }
}

async fn send(layer: &ChannelLayer, publish: Publish) -> Result<Receipt, Error> {
    let message = FromServer::from(Stamped { stamp: publish.stamp, padding: "p".repeat(publish.padding) });
    match publish.to {
        Target::Group(group) => layer.send_to_group(&group, message).await,
        Target::User(user) => layer.send_to_user(&user, message).await,
        Target::Connection(id) => layer.send_to_connection(id.parse().or_internal()?, message).await,
        Target::Everybody => layer.broadcast(message).await,
    }
}

fn outcome(error: &Error) -> Outcome {
    match error.delivery() {
        Some(Delivery::NotSent) => Outcome::NotSent,
        Some(_) => Outcome::Unknown,
        None => Outcome::Refused,
    }
}
