//! A consumer that does what its clients say, step by step, and in one poll where no step waits.

use std::sync::Arc;

use channels::prelude::*;
use channels::{Config, Error, OutboxPolicy};
use channels_tests::probe::{Stage, World};
use channels_tests::socket::{self, Server, Socket};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

/// One step of a script that a client sends, and a handler follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// To a group.
    Say(String, String),
    /// The same without the sender.
    SayToOthers(String, String),
    /// To the user of this name.
    Tell(String, String),
    /// To a group: of each of these only the latest matters.
    Move(String, u32),
    /// To a group; then it tells itself what became of that.
    Settle(String, String),
    /// To itself.
    Note(String),
    /// To itself, by its id.
    Post(String),
    Broadcast(String),
    /// To a group, from another thread, before the next step begins.
    SayElsewhere(String, String),
    /// A user leaves a group, on another thread, before the next step begins.
    LeaveElsewhere(String, String),
    Join(String),
    Leave(String),
    Close,
    /// A user's connections, which end before the next step begins.
    CloseUser(String),
    /// Until somebody else says so.
    Wait,
    Panic,
}

#[derive(Debug, Incoming)]
enum ClientMessage {
    Script(Vec<Step>),
}

#[derive(Clone, Debug, Outgoing)]
pub(crate) enum ServerMessage {
    Said(String),
    #[channels(outbox = "latest")]
    Moved(u32),
}

/// Who waits in a handler, and what lets them go on.
pub(crate) struct Gate {
    pub(crate) reached: Notify,
    pub(crate) open: Semaphore,
}

struct Actor {
    user: UserId,
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = Arc<Gate>)]
impl Actor {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    #[user]
    fn user(&self) -> Option<&UserId> {
        Some(&self.user)
    }

    #[on("script")]
    async fn script(
        &self,
        script: Vec<Step>,
        conn: Connection,
        layer: ChannelLayer,
        State(gate): State<Arc<Gate>>,
    ) -> Result<ServerMessage, Error> {
        for step in script {
            let layer = layer.clone();
            match step {
                Step::Say(group, text) => drop(layer.send_to_group(&group, ServerMessage::Said(text)).await?),
                Step::SayToOthers(group, text) => {
                    layer.send_to_group_except(&group, conn.id(), ServerMessage::Said(text)).await?;
                }
                Step::Tell(user, text) => drop(layer.send_to_user(&user, ServerMessage::Said(text)).await?),
                Step::Move(group, to) => drop(layer.send_to_group(&group, ServerMessage::Moved(to)).await?),
                Step::Settle(group, text) => {
                    let sent = layer.tracked().send_to_group(&group, ServerMessage::Said(text)).await?;
                    let settled = sent.settled().await;
                    conn.send(ServerMessage::Said(format!("{} of {}", settled.queued, settled.members())))?;
                }
                Step::Note(text) => conn.send(ServerMessage::Said(text))?,
                Step::Post(text) => drop(layer.send_to_connection(conn.id(), ServerMessage::Said(text)).await?),
                Step::Broadcast(text) => drop(layer.broadcast(ServerMessage::Said(text)).await?),
                Step::SayElsewhere(group, text) => {
                    elsewhere(async move { layer.send_to_group(&group, ServerMessage::Said(text)).await });
                }
                Step::LeaveElsewhere(user, group) => {
                    let user = UserId::new(user).unwrap();
                    elsewhere(async move {
                        let leaving = layer.registry().user_connections(&user);
                        leaving.iter().for_each(|conn| assert!(conn.leave(&group)));
                    });
                }
                Step::Join(group) => drop(conn.join(&group).await?),
                Step::Leave(group) => drop(conn.leave(&group)),
                Step::Close => conn.close("enough"),
                Step::CloseUser(user) => {
                    let user = UserId::new(user).unwrap();
                    let closing = || layer.registry().user_connections(&user);
                    closing().iter().for_each(|conn| conn.close("enough"));
                    tokio::task::block_in_place(|| {
                        while !closing().is_empty() {
                            std::thread::yield_now();
                        }
                    });
                }
                Step::Wait => {
                    gate.reached.notify_one();
                    gate.open.acquire().await.unwrap().forget();
                }
                Step::Panic => panic!("as the script says"),
            }
        }
        Ok(ServerMessage::Said("done".into()))
    }
}

/// Does something on another thread, while this one stands still within its poll.
fn elsewhere<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) {
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || runtime.block_on(work)).join().unwrap();
}

pub(crate) struct House {
    pub(crate) layer: ChannelLayer,
    pub(crate) gate: Arc<Gate>,
    pub(crate) server: Server,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default(), OutboxPolicy::Close).await
    }

    pub(crate) async fn with(config: Config, policy: OutboxPolicy) -> Self {
        let stage = Stage::with(World::default(), config);
        let layer = stage.layer.clone();
        let gate = Arc::new(Gate { reached: Notify::new(), open: Semaphore::new(0) });
        let route = layer.serve::<Actor>().outbox_policy(policy).into_route();
        let app = axum::Router::new().route("/ws/{user}", route).with_state(Arc::clone(&gate));
        let server = socket::serve_app(&stage, app).await;
        Self { layer, gate, server }
    }

    /// A client that has followed a script already.
    pub(crate) async fn enter(&self, user: &str, script: &[Step]) -> Socket {
        let mut client = self.server.connect(user).await;
        follow(&mut client, script).await;
        hears(&mut client, &["done"]).await;
        client
    }
}

pub(crate) async fn follow(client: &mut Socket, script: &[Step]) {
    client.send_json(&json!({"type": "script", "data": script})).await;
}

pub(crate) fn text(message: &Value) -> &str {
    message["data"].as_str().unwrap_or_else(|| panic!("not a text: {message}"))
}

pub(crate) async fn hears(client: &mut Socket, texts: &[&str]) {
    for expected in texts {
        let message = client.next_json().await;
        assert_eq!(text(&message), *expected);
    }
}

pub(crate) fn say(group: &str, text: impl Into<String>) -> Step {
    Step::Say(group.into(), text.into())
}

pub(crate) fn join(group: &str) -> Step {
    Step::Join(group.into())
}

pub(crate) fn leave(group: &str) -> Step {
    Step::Leave(group.into())
}

pub(crate) fn note(text: &str) -> Step {
    Step::Note(text.into())
}
